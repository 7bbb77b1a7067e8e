// about: Stamp edges that somebody else created or changed, and their sources, by the edges' internal ids.
// each: saves, interactions, follows, owns
// mode: write
// param handles: integers
// param rev: integer
// columns: stamped
UNWIND $handles AS handle
MATCH (a:{{source}}){{-[e:edge]->}}(b) WHERE id(e) = handle
SET e.rev = $rev, a.rev = $rev
RETURN count(e) AS stamped
