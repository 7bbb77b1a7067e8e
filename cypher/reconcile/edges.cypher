// about: The edges of some sources with their own internal ids, packed: one row for each list of internal ids, with equally long columns.
// each: saves, interactions, follows, owns
// mode: read
// param parts: any
// columns: part, sources, targets, edges, revs, times, values
UNWIND range(0, size($parts) - 1) AS part
CALL (part) {
  UNWIND $parts[part] AS handle
  MATCH (a) WHERE id(a) = handle
  MATCH (a){{-[e:edge]->}}(b)
  RETURN collect(handle) AS sources, collect(id(b)) AS targets, collect(id(e)) AS edges, collect(coalesce(e.rev, 0)) AS revs,
    collect(coalesce(e.{{edge.time}}, -1)) AS times, collect(coalesce({{value(e:edge)}}, 0.0 / 0.0)) AS values
}
RETURN part, sources, targets, edges, revs, times, values
