// about: Remove nodes with all their edges, so that nothing names them: of each a tombstone stays with a salted digest of its id.
//   A node that is gone already is told of as well, for whoever read of it before.
// each: items, contexts, users
// mode: write
// param rows: rows
// param kind: string
// param rev: integer
// columns: nodes, edges
UNWIND $rows AS row
CREATE (:_EngineTombstone {kind: $kind, digest: row.digest, rev: $rev})
WITH row
CALL (row) {
  OPTIONAL MATCH (n:{{node}}) WHERE n.{{node.id}} = row.id
  WITH n, CASE WHEN n IS NULL THEN 0 ELSE COUNT { (n)--() } END AS degree
  DETACH DELETE n
  RETURN count(n) AS removed, sum(degree) AS degrees
}
RETURN sum(removed) AS nodes, sum(degrees) AS edges
