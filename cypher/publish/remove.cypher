// about: Remove what is published of items that the generation does not have.
// mode: write
// param handles: integers
// columns: removed
UNWIND $handles AS handle
MATCH (e) WHERE id(e) = handle AND e:_EngineItem
DETACH DELETE e
RETURN count(*) AS removed
