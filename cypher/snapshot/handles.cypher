// about: The internal ids of all nodes of a kind, in blocks. Internal ids serve as handles within one export only.
// each: items, contexts, users
// mode: read
// param block: integer = 262144
// scan: allowed - an export reads every node once
// columns: block, handles
MATCH (n:{{node}})
WITH id(n) / $block AS block, id(n) AS handle
RETURN block, collect(handle) AS handles
