// about: The internal ids of the nodes stamped past a rev: they changed, or edges that they are the source of did.
// each: items, contexts, users
// mode: read
// param since: integer
// columns: handles
MATCH (n:{{node}}) WHERE n.rev > $since
RETURN collect(id(n)) AS handles
