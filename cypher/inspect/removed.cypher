// about: What was removed past a rev: the tombstones, oldest first.
// mode: read
// param rev: integer = 0
// param limit: integer = 25
// columns: rev, kind, id, source, target, time
MATCH (t:_EngineTombstone) WHERE t.rev > $rev
RETURN t.rev AS rev, t.kind AS kind, t.id AS id, t.source AS source, t.target AS target, t.time AS time
ORDER BY rev LIMIT $limit
