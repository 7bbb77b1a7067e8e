// about: Why items were recommended from friends: the friends who took them up, as paths.
// mode: read
// param id: string
// param friends: strings
// param items: strings
// columns: path
MATCH (a:{{users}}) WHERE a.{{users.id}} = $id
MATCH path = (a)-[:{{follows}}]-(f:{{users}}){{-[:interactions]->}}(i:{{items}})
WHERE f.{{users.id}} IN $friends AND i.{{items.id}} IN $items
RETURN path
