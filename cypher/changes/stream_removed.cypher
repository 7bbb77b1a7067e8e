// about: The tombstones between two revs, oldest first.
// mode: read
// param since: integer
// param until: integer
// columns: rev, kind, id, digest, source, target, time
MATCH (t:_EngineTombstone) WHERE t.rev > $since AND t.rev <= $until
RETURN t.rev AS rev, t.kind AS kind, t.id AS id, t.digest AS digest, t.source AS source, t.target AS target, t.time AS time
ORDER BY rev
