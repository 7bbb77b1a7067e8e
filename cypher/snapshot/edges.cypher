// about: Edges of a type, packed: one row for each range or list of internal ids, with equally long columns.
//   Values come only where they are asked for. In the order of their ids edges are read twice as fast as node by node.
// each: saves, interactions, follows, owns
// mode: read
// param parts: rows
// param valued: boolean
// columns: part, sources, targets, revs, times, values
UNWIND range(0, size($parts) - 1) AS part
CALL (part) {
  MATCH (a){{-[e:edge]->}}(b) WHERE id(e) IN coalesce($parts[part].handles, range($parts[part].low, $parts[part].high))
  RETURN collect(id(a)) AS sources, collect(id(b)) AS targets, collect(coalesce(e.rev, 0)) AS revs,
    collect(coalesce(e.{{edge.time}}, -1)) AS times,
    collect(CASE WHEN $valued THEN coalesce({{value(e:edge)}}, 0.0 / 0.0) END) AS values
}
RETURN part, sources, targets, revs, times, values
