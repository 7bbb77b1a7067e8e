// about: How contexts spread over sizes: how many hold so many saves, in buckets that double.
// mode: read
// scan: allowed - a distribution counts every context once; degrees are look-ups
// columns: saves_from, saves_to, contexts
MATCH (c:{{contexts}})
WITH COUNT { (c){{-[:saves]->}}() } AS degree
WITH CASE WHEN degree = 0 THEN -1 ELSE toInteger(floor(log(degree) / log(2) + 1e-9)) END AS bucket, count(*) AS contexts
ORDER BY bucket
RETURN CASE bucket WHEN -1 THEN 0 ELSE toInteger(2 ^ bucket) END AS saves_from,
  CASE bucket WHEN -1 THEN 0 ELSE toInteger(2 ^ (bucket + 1)) - 1 END AS saves_to, contexts
