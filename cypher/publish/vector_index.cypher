// about: The vector index over the published embeddings. Neo4j fills it in the background.
// mode: schema
// param dim: integer
// columns: none
CREATE VECTOR INDEX _engine_embedding IF NOT EXISTS FOR (e:_EngineItem) ON (e.embedding)
OPTIONS {indexConfig: {`vector.dimensions`: $dim, `vector.similarity_function`: 'cosine', `vector.quantization.enabled`: false}}
