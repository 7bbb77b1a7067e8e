// about: Write the neighbours and the related items of published items anew, and mark them as whole. `neighbours` and `related`
//   hold internal ids, which serve as handles within one run only.
// mode: write
// param rows: rows
// columns: neighbours, related
UNWIND $rows AS row
MATCH (e) WHERE id(e) = row.handle AND e:_EngineItem
CALL (e) {
  MATCH (e)-[old:_ENGINE_NEIGHBOUR|_ENGINE_RELATED]->()
  DELETE old
  RETURN count(*) AS gone
}
CALL (e, row) {
  UNWIND range(0, size(row.neighbours) - 1) AS n
  MATCH (other) WHERE id(other) = row.neighbours[n] AND other:_EngineItem
  CREATE (e)-[:_ENGINE_NEIGHBOUR {rank: n + 1, weight: row.weights[n]}]->(other)
  RETURN count(*) AS near
}
CALL (e, row) {
  UNWIND range(0, size(row.related) - 1) AS n
  MATCH (other) WHERE id(other) = row.related[n] AND other:_EngineItem
  CREATE (e)-[:_ENGINE_RELATED {rank: n + 1, score: row.scores[n]}]->(other)
  RETURN count(*) AS like
}
SET e.digest = row.digest, e.links = row.links, e.floor = row.floor
RETURN sum(near) AS neighbours, sum(like) AS related
