// about: Leave tombstones for nodes that somebody else deleted.
// mode: write
// param ids: strings
// param kind: string
// param rev: integer
// columns: tombstones
UNWIND $ids AS id
CREATE (t:_EngineTombstone {kind: $kind, id: id, rev: $rev})
RETURN count(t) AS tombstones
