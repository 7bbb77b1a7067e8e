// about: What one user (saves: one context) has as of a time, oldest first, with the values given and the times, and whom a user
//   follows. What carries no time was always there. No row where there is no such node.
// each: interactions, saves
// mode: read
// param id: string
// param before: integer
// columns: items, values, times, friends
MATCH (a:{{source}}) WHERE a.{{source.id}} = $id
CALL (a) {
  OPTIONAL MATCH (a){{-[e:edge]->}}(b:{{target}}) WHERE coalesce(e.{{edge.time}} < $before, true)
  WITH e, b ORDER BY coalesce(e.rev, 0), b.{{target.id}}
  WITH CASE WHEN b IS NULL THEN null
    ELSE [b.{{target.id}}, coalesce({{value(e:edge)}}, 0.0 / 0.0), coalesce(e.{{edge.time}}, -1)] END AS told
  RETURN collect(told) AS told
}
RETURN [t IN told | t[0]] AS items, [t IN told | t[1]] AS values, [t IN told | t[2]] AS times,
  COLLECT {
    MATCH (a){{-[f:follows]->}}(b:{{users}}) WHERE coalesce(f.{{follows.time}} < $before, true)
    RETURN DISTINCT b.{{users.id}} AS id ORDER BY id
  } AS friends
