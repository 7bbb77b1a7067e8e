// about: The published items that have one of some others among their related ones.
// mode: read
// param handles: integers
// columns: handle
UNWIND $handles AS handle
MATCH (e) WHERE id(e) = handle AND e:_EngineItem
MATCH (other)-[:_ENGINE_RELATED]->(e)
RETURN DISTINCT id(other) AS handle
