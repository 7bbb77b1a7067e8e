// about: Create edges that are known not to be there, packed by their source node.
// each: saves, interactions, follows, owns
// mode: write
// param groups: rows
// param rev: integer
// columns: found, changed
UNWIND $groups AS g
MATCH (a:{{source}}) WHERE a.{{source.id}} = g.source
SET a.rev = $rev
WITH a, g
UNWIND range(0, size(g.targets) - 1) AS k
MATCH (b:{{target}}) WHERE b.{{target.id}} = g.targets[k]
CREATE (a){{-[e:edge]->}}(b)
SET e += {{properties(edge, g.times[k], g.values[k])}}, e.rev = $rev
RETURN count(*) AS found, count(*) AS changed
