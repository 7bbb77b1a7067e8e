// about: The ids, revs, corpora and fields of some nodes, packed: one row for each list of internal ids.
// each: items, contexts, users
// mode: read
// param parts: any
// param fields: strings
// columns: part, handles, ids, revs, corpora, fields
UNWIND range(0, size($parts) - 1) AS part
CALL (part) {
  UNWIND $parts[part] AS handle
  MATCH (n) WHERE id(n) = handle
  WITH collect(n) AS nodes
  RETURN [n IN nodes | id(n)] AS handles, [n IN nodes | n.{{node.id}}] AS ids, [n IN nodes | coalesce(n.rev, 0)] AS revs,
    [n IN nodes | {{corpus(n)}}] AS corpora, [name IN $fields | [n IN nodes | n[name]]] AS fields
}
RETURN part, handles, ids, revs, corpora, fields
