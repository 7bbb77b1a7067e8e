// about: The internal ids of all items, in blocks. Internal ids serve as handles within one comparison only.
// mode: read
// param block: integer = 262144
// scan: allowed - a comparison reads every node once
// columns: block, handles
MATCH (n:{{items}})
WITH id(n) / $block AS block, id(n) AS handle
RETURN block, collect(handle) AS handles
