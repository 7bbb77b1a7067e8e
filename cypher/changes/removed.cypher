// about: The tombstones past a rev, packed by kind. A node's has an id, or the salted digest of one that was forgotten; an edge's has its two ends and its time.
// mode: read
// param since: integer
// columns: kind, ids, digests, sources, targets, times, revs
MATCH (t:_EngineTombstone) WHERE t.rev > $since
RETURN t.kind AS kind, collect(coalesce(t.id, '')) AS ids, collect(coalesce(t.digest, '')) AS digests,
  collect(coalesce(t.source, '')) AS sources, collect(coalesce(t.target, '')) AS targets,
  collect(coalesce(t.time, -1)) AS times, collect(t.rev) AS revs
