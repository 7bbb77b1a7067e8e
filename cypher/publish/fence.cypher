// about: First in every transaction that publishes: locks the mark, so that writers and `forget` go one after another.
// mode: write
// param writer: string
// param items: integer
// scan: allowed - the engine's own label, of which there is one node
// columns: held
MATCH (m:_EngineInspection) WHERE m.writer = $writer
SET m.written = m.written + $items
RETURN count(m) AS held
