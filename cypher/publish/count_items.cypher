// about: How many inspection nodes there are, from the count store.
// mode: read
// columns: count
RETURN COUNT { MATCH (:_EngineItem) } AS count
