// about: The friends of users, each before a time of its own, packed: whom they follow, who follows them, or both.
//   Each friend is there once and nobody is a friend of themselves. A follow without a time was always there;
//   one whose weight is not above 0 is none.
// mode: read
// param ids: strings
// param before: integers
// param following: boolean = true
// param followers: boolean = false
// columns: place, friends
UNWIND range(0, size($ids) - 1) AS place
MATCH (a:{{users}}) WHERE a.{{users.id}} = $ids[place]
CALL (a, place) {
  CALL (a, place) {
    MATCH (a){{-[f:follows]->}}(b:{{users}})
    WHERE $following AND a <> b AND coalesce(f.{{follows.time}} < $before[place], true)
      AND NOT coalesce({{value(f:follows)}} <= 0, false)
    RETURN b
    UNION
    MATCH (a){{<-[f:follows]-}}(b:{{users}})
    WHERE $followers AND a <> b AND coalesce(f.{{follows.time}} < $before[place], true)
      AND NOT coalesce({{value(f:follows)}} <= 0, false)
    RETURN b
  }
  RETURN collect(b.{{users.id}}) AS friends
}
RETURN place, friends
