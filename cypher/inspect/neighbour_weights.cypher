// about: The published neighbourhood of an item: whom its random walks visit most, with the weights that the model pools them by.
//   Takes `engine inspect publish`.
// mode: read
// param item_id: string
// param limit: integer = 50
// columns: rank, item_id, corpus, weight, shared_contexts
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
MATCH (i)<-[:_ENGINE_OF]-(:_EngineItem)-[n:_ENGINE_NEIGHBOUR]->(other:_EngineItem)-[:_ENGINE_OF]->(o)
WITH i, n, other, o ORDER BY n.rank LIMIT $limit
RETURN n.rank AS rank, other.id AS item_id, other.corpus AS corpus, n.weight AS weight,
  COUNT { MATCH (i){{<-[:saves]-}}(c:{{contexts}}){{-[:saves]->}}(o) RETURN DISTINCT c } AS shared_contexts
