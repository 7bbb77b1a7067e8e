// about: The revs of the tombstones past a rev, packed by kind and by the corpus of the item at the end of the edge that went, if it is still there.
// mode: read
// param since: integer
// param most: integer
// columns: kind, corpus, revs
MATCH (t:_EngineTombstone) WHERE t.rev > $since
WITH t LIMIT $most
OPTIONAL MATCH (i:{{items}}) WHERE t.kind IN ['saves', 'interactions'] AND i.{{items.id}} = t.target
RETURN t.kind AS kind, CASE WHEN i IS NULL THEN null ELSE {{corpus(i)}} END AS corpus, collect(t.rev) AS revs
