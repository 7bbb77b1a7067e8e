// about: The internal ids of all edges of a type, in blocks, for a graph where those of other types lie between them.
// each: saves, interactions, follows, owns
// mode: read
// param block: integer = 262144
// columns: block, handles
MATCH (){{-[e:edge]->}}()
WITH id(e) / $block AS block, id(e) AS handle
RETURN block, collect(handle) AS handles
