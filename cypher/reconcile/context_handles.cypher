// about: The internal ids of all contexts, in blocks, with how many saves each has. Internal ids serve as handles within one comparison only.
// mode: read
// param block: integer = 262144
// scan: allowed - a comparison reads every node once
// columns: block, handles, saves
MATCH (n:{{contexts}})
WITH id(n) / $block AS block, id(n) AS handle, COUNT { (n){{-[:saves]->}}() } AS save
RETURN block, collect(handle) AS handles, collect(save) AS saves
