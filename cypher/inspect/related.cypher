// about: The published related items of one, best first, with their scores and the evidence: what holds both, and, where nothing
//   does, neighbours that the walks of both lead to. Takes `engine inspect publish`.
// mode: read
// param item_id: string
// param limit: integer = 10
// columns: rank, item_id, corpus, score, contexts, users, via_neighbours
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
MATCH (i)<-[:_ENGINE_OF]-(e:_EngineItem)-[r:_ENGINE_RELATED]->(other:_EngineItem)-[:_ENGINE_OF]->(o)
WITH i, e, r, other, o ORDER BY r.rank LIMIT $limit
RETURN r.rank AS rank, other.id AS item_id, other.corpus AS corpus, r.score AS score,
  COLLECT {
    MATCH (i){{<-[:saves]-}}(c:{{contexts}}){{-[:saves]->}}(o)
    WITH DISTINCT c RETURN c.{{contexts.id}} AS id ORDER BY id LIMIT 3
  } AS contexts,
  COLLECT {
    MATCH (i){{<-[:interactions]-}}(u:{{users}}){{-[:interactions]->}}(o)
    WITH DISTINCT u RETURN u.{{users.id}} AS id ORDER BY id LIMIT 3
  } AS users,
  COLLECT {
    MATCH (e)-[a:_ENGINE_NEIGHBOUR]->(m:_EngineItem)<-[b:_ENGINE_NEIGHBOUR]-(other)
    RETURN m.id ORDER BY a.weight * b.weight DESC, m.id LIMIT 3
  } AS via_neighbours
