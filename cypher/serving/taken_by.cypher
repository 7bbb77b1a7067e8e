// about: Who has one item (saves: which contexts), the first of them, oldest first, with the values given and the times; how many
//   there are, and the item's properties. No row where there is no such item.
// each: interactions, saves
// mode: read
// param id: string
// param most: integer
// columns: users, values, times, count, properties
MATCH (b:{{target}}) WHERE b.{{target.id}} = $id
CALL (b) {
  MATCH (b){{<-[e:edge]-}}(a:{{source}})
  WITH e, a ORDER BY coalesce(e.rev, 0), a.{{source.id}} LIMIT $most
  RETURN collect([a.{{source.id}}, coalesce({{value(e:edge)}}, 0.0 / 0.0), coalesce(e.{{edge.time}}, -1)]) AS told
}
RETURN [t IN told | t[0]] AS users, [t IN told | t[1]] AS values, [t IN told | t[2]] AS times,
  COUNT { MATCH (b){{<-[:edge]-}}(:{{source}}) } AS count, properties(b) AS properties
