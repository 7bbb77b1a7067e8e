// about: Which generation `engine inspect publish` shows in the graph, and whether it is all there.
// mode: read
// scan: allowed - the engine's own label, of which there is one node
// columns: generation, state, watermark, items, top_k, dim, began_at, ended_at
MATCH (m:_EngineInspection)
RETURN m.generation AS generation, m.state AS state, m.watermark AS watermark, COUNT { MATCH (:_EngineItem) } AS items,
  m.top_k AS top_k, m.dim AS dim, toString(datetime.truncate('second', m.began_at)) AS began_at,
  toString(datetime.truncate('second', m.ended_at)) AS ended_at
