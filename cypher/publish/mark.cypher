// about: The mark that says which generation is published and whether it is all there.
// mode: read
// scan: allowed - the engine's own label, of which there is one node
// columns: generation, built_at, state, watermark, items, written, top_k, dim, began_at, ended_at
MATCH (m:_EngineInspection)
RETURN m.generation AS generation, m.built_at AS built_at, m.state AS state, m.watermark AS watermark,
  COUNT { MATCH (:_EngineItem) } AS items, m.written AS written, m.top_k AS top_k, m.dim AS dim, m.began_at AS began_at, m.ended_at AS ended_at
