// about: How items spread over degrees: how many have so many saves, in buckets that double.
// mode: read
// scan: allowed - a distribution counts every item once; degrees are look-ups
// columns: saves_from, saves_to, items, share
MATCH (i:{{items}})
WITH COUNT { (i){{<-[:saves]-}}() } AS degree
WITH CASE WHEN degree = 0 THEN -1 ELSE toInteger(floor(log(degree) / log(2) + 1e-9)) END AS bucket, count(*) AS items
WITH collect({bucket: bucket, items: items}) AS buckets, sum(items) AS total
UNWIND buckets AS b
WITH b.bucket AS bucket, b.items AS items, total ORDER BY bucket
RETURN CASE bucket WHEN -1 THEN 0 ELSE toInteger(2 ^ bucket) END AS saves_from,
  CASE bucket WHEN -1 THEN 0 ELSE toInteger(2 ^ (bucket + 1)) - 1 END AS saves_to, items, 1.0 * items / total AS share
