// about: Why a walk goes from one item to another: the contexts that hold both, the smallest first, for they say the most.
//   weight is the chance that one two-hop step from the first item through this context lands on the second.
// mode: read
// param from_id: string
// param to_id: string
// param limit: integer = 25
// columns: context_id, size, weight, from_time, to_time
MATCH (a:{{items}}) WHERE a.{{items.id}} = $from_id
MATCH (b:{{items}}) WHERE b.{{items.id}} = $to_id
MATCH (a){{<-[s:saves]-}}(c:{{contexts}})
WITH a, b, c, count(s) AS times_saved, max(s.{{saves.time}}) AS from_time
MATCH (c){{-[t:saves]->}}(b)
WITH a, c, times_saved, from_time, count(t) AS hits, max(t.{{saves.time}}) AS to_time,
  COUNT { (c){{-[:saves]->}}() } AS size, COUNT { (a){{<-[:saves]-}}() } AS degree
RETURN c.{{contexts.id}} AS context_id, size, 1.0 * times_saved / degree * hits / size AS weight, from_time, to_time
ORDER BY weight DESC, context_id LIMIT $limit
