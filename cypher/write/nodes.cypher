// about: Create or change nodes; what already is as it should be is left alone, rev and all.
// each: items, contexts, users
// mode: write
// param rows: rows
// param rev: integer
// columns: changed
UNWIND $rows AS row
MERGE (n:{{node_label}} {{{node.id}}: row.id})
WITH n, row
WHERE n.rev IS NULL OR any(key IN keys(row.set) WHERE
  coalesce(n[key] <> row.set[key], (n[key] IS NULL) <> (row.set[key] IS NULL)))
SET n += row.set, n.rev = $rev
RETURN count(*) AS changed
