// about: Remove edges between two nodes: the one of the given time, or all of them where no time is given.
//   A tombstone stays for each; the source gets the rev.
// each: saves, interactions, follows, owns
// mode: write
// param rows: rows
// param kind: string
// param rev: integer
// columns: removed
UNWIND $rows AS row
MATCH (a:{{source}}) WHERE a.{{source.id}} = row.source
MATCH (b:{{target}}) WHERE b.{{target.id}} = row.target
MATCH (a){{-[e:edge]->}}(b)
WHERE row.time IS NULL OR e.{{edge.time}} = row.time
WITH DISTINCT a, e, row.source AS source, row.target AS target, e.{{edge.time}} AS time
SET a.rev = $rev
CREATE (:_EngineTombstone {kind: $kind, source: source, target: target, time: time, rev: $rev})
DELETE e
RETURN count(*) AS removed
