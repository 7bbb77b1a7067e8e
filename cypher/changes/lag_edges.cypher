// about: The revs of the edges newer than a rev and how many sources lead to them, packed by the corpus of the item at their end.
// each: saves, interactions
// mode: read
// param since: integer
// param most: integer
// columns: corpus, revs
MATCH (a:{{source}}) WHERE a.rev > $since
WITH a LIMIT $most
MATCH (a){{-[e:edge]->}}(i:{{target}}) WHERE e.rev > $since
WITH e, i LIMIT $most
RETURN {{corpus(i)}} AS corpus, collect(e.rev) AS revs
