// about: Create edges or change their values; an edge is told by its two ends and its time.
//   What already is as it should be is left alone, rev and all. A value that is not given keeps what is there.
// each: saves, interactions, follows, owns
// mode: write
// param groups: rows
// param rev: integer
// columns: found, changed
UNWIND $groups AS g
MATCH (a:{{source}}) WHERE a.{{source.id}} = g.source
UNWIND range(0, size(g.targets) - 1) AS k
MATCH (b:{{target}}) WHERE b.{{target.id}} = g.targets[k]
WITH a, b, g.times[k] AS time, g.values[k] AS value
OPTIONAL MATCH (a){{-[old:edge]->}}(b)
WHERE old.{{edge.time}} = time OR (time IS NULL AND old.{{edge.time}} IS NULL)
WITH a, b, time, value, head(collect(old)) AS old
WITH a, b, time, value, old, old IS NULL OR (value IS NOT NULL AND coalesce({{value(old:edge)}} <> value, true)) AS change
CALL (a, b, time, value, old, change) {
  WITH * WHERE change AND old IS NULL
  CREATE (a){{-[e:edge]->}}(b)
  SET e += {{properties(edge, time, value)}}, e.rev = $rev, a.rev = $rev
  RETURN 1 AS done
  UNION ALL
  WITH * WHERE change AND old IS NOT NULL
  SET old += {{properties(edge, time, value)}}, old.rev = $rev, a.rev = $rev
  RETURN 1 AS done
  UNION ALL
  WITH * WHERE NOT change
  RETURN 0 AS done
}
RETURN count(*) AS found, sum(done) AS changed
