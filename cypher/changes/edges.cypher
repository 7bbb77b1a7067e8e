// about: The edges of some sources that are newer than a rev, packed: one row for each list of internal ids, with equally long columns.
//   Targets that no write of the engine ever stamped are named too, since nothing else leads to them.
// each: saves, interactions, follows, owns
// mode: read
// param parts: any
// param since: integer
// columns: part, sources, targets, revs, times, values, unstamped
UNWIND range(0, size($parts) - 1) AS part
CALL (part) {
  UNWIND $parts[part] AS handle
  MATCH (a) WHERE id(a) = handle
  MATCH (a){{-[e:edge]->}}(b:{{target}}) WHERE e.rev > $since
  RETURN collect(coalesce(a.{{source.id}}, false)) AS sources, collect(coalesce(b.{{target.id}}, false)) AS targets,
    collect(e.rev) AS revs, collect(coalesce(e.{{edge.time}}, -1)) AS times,
    collect(coalesce({{value(e:edge)}}, 0.0 / 0.0)) AS values,
    collect(DISTINCT CASE WHEN b.rev IS NULL THEN id(b) END) AS unstamped
}
RETURN part, sources, targets, revs, times, values, unstamped
