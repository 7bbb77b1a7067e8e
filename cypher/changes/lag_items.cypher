// about: The revs of the items stamped past a rev, packed by corpus.
// mode: read
// param since: integer
// param most: integer
// columns: corpus, revs
MATCH (i:{{items}}) WHERE i.rev > $since
WITH i LIMIT $most
RETURN {{corpus(i)}} AS corpus, collect(i.rev) AS revs
