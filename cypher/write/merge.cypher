// about: Create edges or change their values; an edge is told by its two ends and its time.
//   What already is as it should be is left alone, rev and all. A value that is not given keeps what is there.
//   Where somebody else left several edges that agree in all three, they change together.
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
WITH a, b, time, value, collect(old) AS olds
WITH a, b, time, value, olds, size(olds) = 0 OR (value IS NOT NULL
  AND any(old IN olds WHERE coalesce({{value(old:edge)}} <> value, true))) AS change
CALL (a, b, time, value, olds, change) {
  WITH * WHERE change AND size(olds) = 0
  CREATE (a){{-[e:edge]->}}(b)
  SET e += {{properties(edge, time, value)}}, e.rev = $rev, a.rev = $rev
  RETURN 1 AS done
  UNION ALL
  WITH * WHERE change AND size(olds) > 0
  FOREACH (old IN olds | SET old += {{properties(edge, time, value)}}, old.rev = $rev)
  SET a.rev = $rev
  RETURN 1 AS done
  UNION ALL
  WITH * WHERE NOT change
  RETURN 0 AS done
}
RETURN count(*) AS found, sum(done) AS changed
