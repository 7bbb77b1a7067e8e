// about: What some friends of a user took up last before a time and the user had not by then, by the sum of their ties, with
//   who they are. An interaction without a time was always there.
// mode: read
// param id: string
// param friends: strings
// param ties: floats
// param before: integer
// param corpus: string
// param exclude: strings = []
// param most: integer = 200
// param limit: integer = 1000
// columns: item_id, score, friends, ties
MATCH (a:{{users}}) WHERE a.{{users.id}} = $id
UNWIND range(0, size($friends) - 1) AS place
MATCH (f:{{users}}) WHERE f.{{users.id}} = $friends[place]
CALL (f) {
  MATCH (f){{-[r:interactions]->}}(i:{{items}})
  WHERE coalesce(r.{{interactions.time}} < $before, true)
  WITH i, max(coalesce(r.{{interactions.time}}, -1)) AS time
  ORDER BY time DESC, i.{{items.id}} LIMIT $most
  RETURN i, time
}
WITH a, i, place, time
WHERE {{corpus(i)}} = $corpus AND NOT i.{{items.id}} IN $exclude
  AND NOT EXISTS { (a){{-[own:interactions]->}}(i) WHERE coalesce(own.{{interactions.time}} < $before, true) }
WITH i, time, place ORDER BY $ties[place] DESC, $friends[place]
WITH i.{{items.id}} AS item_id, max(time) AS latest, sum($ties[place]) AS score, collect(place) AS places
ORDER BY score DESC, latest DESC, item_id LIMIT $limit
RETURN item_id, score, [p IN places | $friends[p]] AS friends, [p IN places | $ties[p]] AS ties
