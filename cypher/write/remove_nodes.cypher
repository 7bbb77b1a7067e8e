// about: Remove nodes with all their edges. A tombstone stays for each node and stands for its edges too.
// each: items, contexts, users
// mode: write
// param ids: strings
// param kind: string
// param rev: integer
// columns: removed
UNWIND $ids AS id
MATCH (n:{{node}}) WHERE n.{{node.id}} = id
CREATE (:_EngineTombstone {kind: $kind, id: id, rev: $rev})
DETACH DELETE n
RETURN count(*) AS removed
