// about: Remove what is published of forgotten items. Locks the mark first: whoever publishes at the same moment waits, and does not
//   find the items any more.
// mode: write
// param ids: strings
// scan: allowed - the engine's own label, of which there is one node
// columns: removed
OPTIONAL MATCH (m:_EngineInspection)
SET m.forgot_at = datetime()
WITH count(m) AS marks
UNWIND $ids AS id
MATCH (e:_EngineItem) WHERE e.id = id
DETACH DELETE e
RETURN count(*) AS removed
