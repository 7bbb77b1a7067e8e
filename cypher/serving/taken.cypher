// about: What one user (saves: one context) has as of a time, oldest first, with the values given and the times, and a user's friends:
//   whom they follow, who follows them, or both. What carries no time was always there. One who is both may be there twice, each with the
//   strongest tie given, 1 where none is, and whether it is the user who follows. No row where there is no such node.
// each: interactions, saves
// mode: read
// param id: string
// param before: integer
// param following: boolean = true
// param followers: boolean = false
// columns: items, values, times, friends, ties, outward
MATCH (a:{{source}}) WHERE a.{{source.id}} = $id
CALL (a) {
  OPTIONAL MATCH (a){{-[e:edge]->}}(b:{{target}}) WHERE coalesce(e.{{edge.time}} < $before, true)
  WITH e, b ORDER BY coalesce(e.rev, 0), b.{{target.id}}
  WITH CASE WHEN b IS NULL THEN null
    ELSE [b.{{target.id}}, coalesce({{value(e:edge)}}, 0.0 / 0.0), coalesce(e.{{edge.time}}, -1)] END AS told
  RETURN collect(told) AS told
}
WITH told, COLLECT {
  CALL (a) {
    MATCH (a){{-[f:follows]->}}(b:{{users}}) WHERE $following AND a <> b AND coalesce(f.{{follows.time}} < $before, true)
    RETURN b, f, true AS outward
    UNION ALL
    MATCH (a){{<-[f:follows]-}}(b:{{users}}) WHERE $followers AND a <> b AND coalesce(f.{{follows.time}} < $before, true)
    RETURN b, f, false AS outward
  }
  WITH b, outward, max(CASE WHEN isNaN({{value(f:follows)}}) THEN 1.0 ELSE coalesce({{value(f:follows)}}, 1.0) END) AS tie
  WHERE tie > 0
  RETURN [b.{{users.id}}, tie, outward] AS friend ORDER BY friend[0]
} AS friends
RETURN [t IN told | t[0]] AS items, [t IN told | t[1]] AS values, [t IN told | t[2]] AS times,
  [f IN friends | f[0]] AS friends, [f IN friends | f[1]] AS ties, [f IN friends | f[2]] AS outward
