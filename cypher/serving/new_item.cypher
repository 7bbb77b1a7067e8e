// about: One item with its properties and what holds it, oldest first: all that a query by an item newer than the generation needs.
// mode: read
// param item_id: string
// columns: corpus, properties, contexts, users
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
RETURN {{corpus(i)}} AS corpus, properties(i) AS properties,
  COLLECT {
    MATCH (i){{<-[s:saves]-}}(c:{{contexts}})
    RETURN c.{{contexts.id}} ORDER BY coalesce(s.rev, 0), c.{{contexts.id}}
  } AS contexts,
  COLLECT {
    MATCH (i){{<-[r:interactions]-}}(u:{{users}})
    RETURN u.{{users.id}} ORDER BY coalesce(r.rev, 0), u.{{users.id}}
  } AS users
