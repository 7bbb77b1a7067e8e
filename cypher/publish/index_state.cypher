// about: Whether the vector index is there, how wide its vectors are, and how far it is filled.
// mode: read
// columns: dim, state, percent
SHOW VECTOR INDEXES YIELD name, state, populationPercent, options
WHERE name = '_engine_embedding'
RETURN options.indexConfig['vector.dimensions'] AS dim, state, populationPercent AS percent
