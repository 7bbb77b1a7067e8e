// about: What one user (saves: one context) has, oldest first, with the values given; no row where there is no such node.
// each: interactions, saves
// mode: read
// param id: string
// columns: items, values
MATCH (a:{{source}}) WHERE a.{{source.id}} = $id
CALL (a) {
  OPTIONAL MATCH (a){{-[e:edge]->}}(b:{{target}})
  WITH e, b ORDER BY coalesce(e.rev, 0), b.{{target.id}}
  WITH CASE WHEN b IS NULL THEN null ELSE [b.{{target.id}}, coalesce({{value(e:edge)}}, 0.0 / 0.0)] END AS pair
  RETURN collect(pair) AS pairs
}
RETURN [p IN pairs | p[0]] AS items, [p IN pairs | p[1]] AS values
