// about: Items and contexts with at least so many saves, which walks pass again and again.
// mode: read
// param min_degree: integer = 1000
// param limit: integer = 25
// scan: allowed - looks up every node's degree once
// columns: kind, id, saves
CALL () {
  MATCH (i:{{items}})
  WITH i, COUNT { (i){{<-[:saves]-}}() } AS saves WHERE saves >= $min_degree
  RETURN 'item' AS kind, i.{{items.id}} AS id, saves ORDER BY saves DESC, id LIMIT $limit
  UNION ALL
  MATCH (c:{{contexts}})
  WITH c, COUNT { (c){{-[:saves]->}}() } AS saves WHERE saves >= $min_degree
  RETURN 'context' AS kind, c.{{contexts.id}} AS id, saves ORDER BY saves DESC, id LIMIT $limit
}
RETURN kind, id, saves ORDER BY saves DESC, id LIMIT $limit
