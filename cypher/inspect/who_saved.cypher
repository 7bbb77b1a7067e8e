// about: Who saved an item: the contexts that hold it with their owners, latest first.
// mode: read
// param item_id: string
// param limit: integer = 25
// columns: context_id, owner_id, saved_at
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
MATCH (i){{<-[s:saves]-}}(c:{{contexts}})
WITH c, max(s.{{saves.time}}) AS saved_at
ORDER BY saved_at DESC, c.{{contexts.id}} LIMIT $limit
RETURN c.{{contexts.id}} AS context_id,
  head(COLLECT { MATCH (c){{<-[:owns]-}}(u:{{users}}) RETURN u.{{users.id}} AS owner ORDER BY owner LIMIT 1 }) AS owner_id,
  saved_at
