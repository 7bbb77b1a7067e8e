// about: The items nearest to one by their published embeddings, found by Neo4j's own vector index. score is the cosine.
//   Takes `engine inspect publish`; looks at all corpora.
// mode: read
// param item_id: string
// param limit: integer = 10
// columns: item_id, corpus, score
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
MATCH (i)<-[:_ENGINE_OF]-(e:_EngineItem)
CALL db.index.vector.queryNodes('_engine_embedding', $limit + 1, e.embedding) YIELD node, score
WITH node, score WHERE node <> e
RETURN node.id AS item_id, node.corpus AS corpus, 2 * score - 1 AS score
ORDER BY score DESC, item_id LIMIT $limit
