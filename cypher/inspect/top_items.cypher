// about: The items with the most saves.
// mode: read
// param limit: integer = 25
// scan: allowed - looks up every item's degree once
// columns: item_id, corpus, saves
MATCH (i:{{items}})
WITH i, COUNT { (i){{<-[:saves]-}}() } AS saves
ORDER BY saves DESC, i.{{items.id}} LIMIT $limit
RETURN i.{{items.id}} AS item_id, {{corpus(i)}} AS corpus, saves
