// about: The latest interactions of users, each before a time of its own, packed, latest first.
//   Those as late as the last one wanted are all there, so that whoever asks can settle ties. One without a time is not there.
// mode: read
// param ids: strings
// param before: integers
// param most: integer
// columns: place, neighbours, times
UNWIND range(0, size($ids) - 1) AS place
MATCH (a:{{users}}) WHERE a.{{users.id}} = $ids[place]
CALL (a, place) {
  MATCH (a){{-[r:interactions]->}}(b:{{items}})
  WHERE 0 <= r.{{interactions.time}} < $before[place]
  WITH b, r.{{interactions.time}} AS time ORDER BY time DESC
  WITH collect(b) AS nodes, collect(time) AS times
  WITH nodes, times, size([t IN times WHERE t >= coalesce(times[$most - 1], 0)]) AS kept
  RETURN [b IN nodes[..kept] | b.{{items.id}}] AS neighbours, times[..kept] AS times
}
RETURN place, neighbours, times
