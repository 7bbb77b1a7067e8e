// about: Say that what is published is being removed; whoever writes finds out.
// mode: write
// scan: allowed - the engine's own label, of which there is one node
// columns: none
MATCH (m:_EngineInspection)
SET m.state = 'dropping', m.writer = null
