// about: The same to look at in Neo4j Browser: paths from an item over what is published to its related items, and the contexts
//   that hold both, three of them at most for each. Takes `engine inspect publish`.
// mode: read
// param item_id: string
// param limit: integer = 10
// columns: rank, path, evidence
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
MATCH path = (i)<-[:_ENGINE_OF]-(:_EngineItem)-[r:_ENGINE_RELATED]->(:_EngineItem)-[:_ENGINE_OF]->(o)
WITH i, r, path, o ORDER BY r.rank LIMIT $limit
RETURN r.rank AS rank, path,
  COLLECT { MATCH way = (i){{<-[:saves]-}}(:{{contexts}}){{-[:saves]->}}(o) RETURN way LIMIT 3 } AS evidence
