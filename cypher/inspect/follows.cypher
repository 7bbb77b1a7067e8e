// about: Whom a user follows and who follows the user.
// mode: read
// param user_id: string
// param limit: integer = 25
// columns: direction, user_id, since
MATCH (u:{{users}}) WHERE u.{{users.id}} = $user_id
CALL (u) {
  MATCH (u){{-[f:follows]->}}(o:{{users}})
  RETURN 'follows' AS direction, o.{{users.id}} AS user_id, f.{{follows.time}} AS since ORDER BY user_id LIMIT $limit
  UNION ALL
  MATCH (u){{<-[f:follows]-}}(o:{{users}})
  RETURN 'followed by' AS direction, o.{{users.id}} AS user_id, f.{{follows.time}} AS since ORDER BY user_id LIMIT $limit
}
RETURN direction, user_id, since
