// about: Leave tombstones for edges that somebody else deleted; the source gets the rev.
// each: saves, interactions, follows, owns
// mode: write
// param rows: rows
// param kind: string
// param rev: integer
// columns: tombstones
UNWIND $rows AS row
MATCH (a:{{source}}) WHERE a.{{source.id}} = row.source
SET a.rev = $rev
CREATE (t:_EngineTombstone {kind: $kind, source: row.source, target: row.target, time: row.time, rev: $rev})
RETURN count(t) AS tombstones
