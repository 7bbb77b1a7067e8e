// about: What a context holds, latest first.
// mode: read
// param context_id: string
// param limit: integer = 25
// columns: item_id, corpus, saved_at
MATCH (c:{{contexts}}) WHERE c.{{contexts.id}} = $context_id
MATCH (c){{-[s:saves]->}}(i:{{items}})
WITH i, s.{{saves.time}} AS saved_at
ORDER BY saved_at DESC, i.{{items.id}} LIMIT $limit
RETURN i.{{items.id}} AS item_id, {{corpus(i)}} AS corpus, saved_at
