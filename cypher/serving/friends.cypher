// about: The friends of a user before a time: whom they follow, who follows them, or both, each once with the
//   strongest tie given, 1 where none is. Nobody is their own friend; a follow without a time was always there.
// mode: read
// param id: string
// param before: integer
// param following: boolean = true
// param followers: boolean = false
// columns: friends, ties
MATCH (a:{{users}}) WHERE a.{{users.id}} = $id
WITH a, COLLECT {
  CALL (a) {
    MATCH (a){{-[f:follows]->}}(b:{{users}})
    WHERE $following AND a <> b AND coalesce(f.{{follows.time}} < $before, true)
    RETURN b, f
    UNION ALL
    MATCH (a){{<-[f:follows]-}}(b:{{users}})
    WHERE $followers AND a <> b AND coalesce(f.{{follows.time}} < $before, true)
    RETURN b, f
  }
  WITH b, max(CASE WHEN isNaN({{value(f:follows)}}) THEN 1.0 ELSE coalesce({{value(f:follows)}}, 1.0) END) AS tie
  WHERE tie > 0
  RETURN [b.{{users.id}}, tie] AS pair ORDER BY pair[0]
} AS pairs
RETURN [p IN pairs | p[0]] AS friends, [p IN pairs | p[1]] AS ties
