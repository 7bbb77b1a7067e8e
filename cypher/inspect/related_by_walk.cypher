// about: The items most often saved together with one item, by the chance that a two-hop step lands on them.
// mode: read
// param item_id: string
// param limit: integer = 25
// columns: item_id, corpus, shared, weight
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
WITH i, COUNT { (i){{<-[:saves]-}}() } AS degree
MATCH (i){{<-[s:saves]-}}(c:{{contexts}})
WITH i, degree, c, count(s) AS times, COUNT { (c){{-[:saves]->}}() } AS size
MATCH (c){{-[t:saves]->}}(other:{{items}}) WHERE other <> i
WITH other, count(DISTINCT c) AS shared, sum(1.0 * times / degree / size) AS weight
RETURN other.{{items.id}} AS item_id, {{corpus(other)}} AS corpus, shared, weight
ORDER BY weight DESC, item_id LIMIT $limit
