// about: Mark published items as half written whose embeddings stay and whose neighbours do not.
// mode: write
// param handles: integers
// columns: none
UNWIND $handles AS handle
MATCH (e) WHERE id(e) = handle AND e:_EngineItem
SET e.digest = null
