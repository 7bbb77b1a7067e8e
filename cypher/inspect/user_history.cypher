// about: What a user did, latest first: interactions, and saves into the contexts the user owns.
// mode: read
// param user_id: string
// param limit: integer = 25
// columns: time, action, item_id, context_id, value
MATCH (u:{{users}}) WHERE u.{{users.id}} = $user_id
CALL (u) {
  MATCH (u){{-[r:interactions]->}}(i:{{items}})
  RETURN r.{{interactions.time}} AS time, 'interacted' AS action, i.{{items.id}} AS item_id, null AS context_id,
    {{value(r:interactions)}} AS value
  UNION ALL
  MATCH (u){{-[:owns]->}}(c:{{contexts}}){{-[s:saves]->}}(i:{{items}})
  RETURN s.{{saves.time}} AS time, 'saved' AS action, i.{{items.id}} AS item_id, c.{{contexts.id}} AS context_id,
    null AS value
}
RETURN time, action, item_id, context_id, value
ORDER BY coalesce(time, -1) DESC, item_id LIMIT $limit
