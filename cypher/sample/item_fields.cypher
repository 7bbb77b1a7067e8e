// about: Some properties of items, packed: a column of ids and one for each property.
// mode: read
// param ids: strings
// param fields: strings
// columns: ids, fields
UNWIND $ids AS wanted
MATCH (n:{{items}}) WHERE n.{{items.id}} = wanted
WITH collect(n) AS nodes
RETURN [n IN nodes | n.{{items.id}}] AS ids, [name IN $fields | [n IN nodes | n[name]]] AS fields
