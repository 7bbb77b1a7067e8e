// about: How many edges of a type there are, and between which internal ids they lie. No ids where there are no edges.
// each: saves, interactions, follows, owns
// mode: read
// columns: edges, low, high
CALL () { MATCH (){{-[e:edge]->}}() RETURN count(e) AS edges }
RETURN edges,
  COLLECT { MATCH (){{-[e:edge]->}}() RETURN id(e) ORDER BY e LIMIT 1 }[0] AS low,
  COLLECT { MATCH (){{-[e:edge]->}}() RETURN id(e) ORDER BY e DESC LIMIT 1 }[0] AS high
