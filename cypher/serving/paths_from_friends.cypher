// about: Why items were recommended from friends: the friends who took them up before a time, as paths.
//   What has no time was always there.
// mode: read
// param id: string
// param friends: strings
// param items: strings
// param before: integer
// columns: path
MATCH (a:{{users}}) WHERE a.{{users.id}} = $id
MATCH path = (a)-[tie:{{follows}}]-(f:{{users}}){{-[r:interactions]->}}(i:{{items}})
WHERE f.{{users.id}} IN $friends AND i.{{items.id}} IN $items
  AND coalesce(tie.{{follows.time}} < $before, true) AND coalesce(r.{{interactions.time}} < $before, true)
RETURN path
