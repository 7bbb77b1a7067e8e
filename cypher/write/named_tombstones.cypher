// about: The tombstones that name some nodes by their ids: of a node itself, and of edges that once led to or from it.
// mode: read
// param ids: strings
// param kind: string
// param as_source: strings
// param as_target: strings
// columns: tombstones
// scan: allowed - only the engine's own tombstones, which compaction keeps few
MATCH (t:_EngineTombstone)
WHERE (t.kind = $kind AND t.id IN $ids) OR (t.kind IN $as_source AND t.source IN $ids)
  OR (t.kind IN $as_target AND t.target IN $ids)
RETURN count(t) AS tombstones
