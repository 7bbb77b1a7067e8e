// about: Say that a generation is being written, and by whom: a writer that was overtaken finds another one here.
// mode: write
// param writer: string
// param generation: string
// param built_at: string
// param watermark: integer
// param dim: integer
// param top_k: integer
// scan: allowed - the engine's own label, of which there is one node
// columns: none
MERGE (m:_EngineInspection {name: 'inspection'})
SET m.writer = $writer, m.state = 'writing', m.generation = $generation, m.built_at = $built_at, m.watermark = $watermark,
  m.dim = $dim, m.top_k = $top_k, m.written = 0, m.began_at = datetime(), m.ended_at = null
