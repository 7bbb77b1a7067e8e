// about: How two two-hop steps lead from one item to another that shares no context with it: the items in between, most paths first.
//   Looks at the newest `fan` contexts of either item and at `fan` items of each.
// mode: read
// param from_id: string
// param to_id: string
// param fan: integer = 100
// param limit: integer = 25
// columns: via_item_id, paths, from_contexts, to_contexts
MATCH (a:{{items}}) WHERE a.{{items.id}} = $from_id
MATCH (b:{{items}}) WHERE b.{{items.id}} = $to_id
CALL (a, b) {
  MATCH (a){{<-[s:saves]-}}(c:{{contexts}})
  WITH b, c, max(s.{{saves.time}}) AS at ORDER BY at DESC, c.{{contexts.id}} LIMIT $fan
  CALL (c) { MATCH (c){{-[:saves]->}}(m:{{items}}) RETURN DISTINCT m LIMIT $fan }
  WITH b, m, collect(DISTINCT c) AS firsts
  RETURN collect({item: m, firsts: firsts}) AS near_a
}
CALL (a, b) {
  MATCH (b){{<-[s:saves]-}}(c:{{contexts}})
  WITH c, max(s.{{saves.time}}) AS at ORDER BY at DESC, c.{{contexts.id}} LIMIT $fan
  CALL (c) { MATCH (c){{-[:saves]->}}(m:{{items}}) RETURN DISTINCT m LIMIT $fan }
  WITH m, collect(DISTINCT c) AS lasts
  RETURN collect({item: m, lasts: lasts}) AS near_b
}
UNWIND near_a AS x
UNWIND near_b AS y
WITH a, b, x, y WHERE x.item = y.item AND x.item <> a AND x.item <> b
WITH x.item AS m, x.firsts AS firsts, [c IN y.lasts WHERE NOT c IN x.firsts] AS lasts
WHERE size(lasts) > 0
RETURN m.{{items.id}} AS via_item_id, size(firsts) * size(lasts) AS paths,
  [c IN firsts[..3] | c.{{contexts.id}}] AS from_contexts, [c IN lasts[..3] | c.{{contexts.id}}] AS to_contexts
ORDER BY paths DESC, via_item_id LIMIT $limit
