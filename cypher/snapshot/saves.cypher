// about: All saves of some contexts, packed: one row for each list of internal ids, with equally long columns.
// mode: read
// param parts: any
// columns: part, sources, targets, revs, times, values
UNWIND range(0, size($parts) - 1) AS part
CALL (part) {
  UNWIND $parts[part] AS handle
  MATCH (a) WHERE id(a) = handle
  MATCH (a){{-[s:saves]->}}(b)
  RETURN collect(handle) AS sources, collect(id(b)) AS targets, collect(coalesce(s.rev, 0)) AS revs,
    collect(coalesce(s.{{saves.time}}, -1)) AS times, null AS values
}
RETURN part, sources, targets, revs, times, values
