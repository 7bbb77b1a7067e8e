// about: What stands around one item: the contexts that hold it, and the other items in each of them.
// mode: read
// param item_id: string
// param contexts: integer = 10
// param items: integer = 5
// columns: context_id, saved_at, size, also_holds
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
MATCH (i){{<-[s:saves]-}}(c:{{contexts}})
WITH i, c, max(s.{{saves.time}}) AS saved_at
ORDER BY saved_at DESC, c.{{contexts.id}} LIMIT $contexts
RETURN c.{{contexts.id}} AS context_id, saved_at,
  COUNT { (c){{-[:saves]->}}() } AS size,
  COLLECT {
    MATCH (c){{-[:saves]->}}(other:{{items}}) WHERE other <> i
    RETURN DISTINCT other.{{items.id}} LIMIT $items
  } AS also_holds
