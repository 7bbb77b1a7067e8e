// about: The contexts that changed past a rev, oldest first, with how many of their saves are newer than it.
// mode: read
// param rev: integer
// param limit: integer = 25
// columns: context_id, rev, new_saves
MATCH (c:{{contexts}}) WHERE c.rev > $rev
WITH c ORDER BY c.rev, c.{{contexts.id}} LIMIT $limit
RETURN c.{{contexts.id}} AS context_id, c.rev AS rev,
  COUNT { MATCH (c){{-[s:saves]->}}() WHERE s.rev > $rev } AS new_saves
