// about: Say that all of a generation is written.
// mode: write
// param writer: string
// param items: integer
// scan: allowed - the engine's own label, of which there is one node
// columns: held
MATCH (m:_EngineInspection) WHERE m.writer = $writer
SET m.state = 'complete', m.items = $items, m.ended_at = datetime()
RETURN count(m) AS held
