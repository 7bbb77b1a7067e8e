// about: The contexts a user owns and how much they hold, the largest first.
// mode: read
// param user_id: string
// param limit: integer = 25
// columns: context_id, size
MATCH (u:{{users}}) WHERE u.{{users.id}} = $user_id
MATCH (u){{-[:owns]->}}(c:{{contexts}})
RETURN c.{{contexts.id}} AS context_id, COUNT { (c){{-[:saves]->}}() } AS size
ORDER BY size DESC, context_id LIMIT $limit
