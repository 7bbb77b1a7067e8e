// about: The nodes last stamped between two revs as they are now, oldest first.
// each: items, contexts, users
// mode: read
// param since: integer
// param until: integer
// param fields: strings
// columns: rev, id, corpus, fields
MATCH (n:{{node}}) WHERE n.rev > $since AND n.rev <= $until
RETURN n.rev AS rev, n.{{node.id}} AS id, {{corpus(n)}} AS corpus, [name IN $fields | n[name]] AS fields
ORDER BY rev
