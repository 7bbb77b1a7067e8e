// about: How many edges of a type there are, from the count store.
// each: saves, interactions, follows, owns
// mode: read
// columns: edges
MATCH (){{-[e:edge]->}}()
RETURN count(e) AS edges
