// about: Remove the vector index over the published embeddings.
// mode: schema
// columns: none
DROP INDEX _engine_embedding IF EXISTS
