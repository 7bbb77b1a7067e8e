// about: All interactions of some users, packed: one row for each list of internal ids, with equally long columns.
// mode: read
// param parts: any
// columns: part, sources, targets, revs, times, values
UNWIND range(0, size($parts) - 1) AS part
CALL (part) {
  UNWIND $parts[part] AS handle
  MATCH (a) WHERE id(a) = handle
  MATCH (a){{-[s:interactions]->}}(b)
  WITH collect(handle) AS sources, collect(id(b)) AS targets, collect(s) AS edges
  RETURN sources, targets, [s IN edges | s.rev] AS revs, [s IN edges | s.{{interactions.time}}] AS times,
    [s IN edges | {{value(s:interactions)}}] AS values
}
RETURN part, sources, targets, revs, times, values
