// about: How many inspection nodes some items have.
// mode: read
// param ids: strings
// scan: allowed - where nothing was ever published, there is neither an index nor a node
// columns: mentions
UNWIND $ids AS id
MATCH (e:_EngineItem) WHERE e.id = id
RETURN count(e) AS mentions
