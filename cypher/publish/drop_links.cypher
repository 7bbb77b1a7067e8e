// about: Remove a batch of the published neighbours and related items.
// mode: write
// param most: integer
// columns: removed
MATCH ()-[r:_ENGINE_NEIGHBOUR|_ENGINE_RELATED]->()
WITH r LIMIT $most
DELETE r
RETURN count(*) AS removed
