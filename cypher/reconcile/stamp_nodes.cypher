// about: Stamp nodes that somebody else created or changed, by their internal ids.
// each: items, contexts, users
// mode: write
// param handles: integers
// param rev: integer
// columns: stamped
UNWIND $handles AS handle
MATCH (n:{{node}}) WHERE id(n) = handle
SET n.rev = $rev
RETURN count(n) AS stamped
