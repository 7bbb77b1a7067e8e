// about: Remove the mark that says what is published: the last step.
// mode: write
// scan: allowed - the engine's own label, of which there is one node
// columns: none
MATCH (m:_EngineInspection)
DELETE m
