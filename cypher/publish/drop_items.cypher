// about: Remove a batch of the inspection nodes, and their links to the items.
// mode: write
// param most: integer
// scan: allowed - removes every inspection node, batch by batch
// columns: removed
MATCH (e:_EngineItem)
WITH e LIMIT $most
DETACH DELETE e
RETURN count(*) AS removed
