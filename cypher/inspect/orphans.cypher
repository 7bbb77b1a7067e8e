// about: Items that no context holds and no user touched; walks cannot reach them.
// mode: read
// param limit: integer = 25
// scan: allowed - an orphan is known by what it lacks; stops at the limit
// columns: item_id, corpus
MATCH (i:{{items}})
WHERE NOT EXISTS { (i){{<-[:saves]-}}() } AND NOT EXISTS { (i){{<-[:interactions]-}}() }
RETURN i.{{items.id}} AS item_id, {{corpus(i)}} AS corpus LIMIT $limit
