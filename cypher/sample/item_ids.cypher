// about: The ids of all items, packed in blocks.
// mode: read
// param block: integer = 262144
// scan: allowed - numbers every item once
// columns: block, ids
MATCH (n:{{items}})
RETURN id(n) / $block AS block, collect(n.{{items.id}}) AS ids
