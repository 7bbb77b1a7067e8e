// about: Which of some ids the graph has, packed by the labels that the nodes wear.
// each: items, contexts, users
// mode: read
// param ids: strings
// columns: labels, ids
UNWIND $ids AS id
MATCH (n:{{node}}) WHERE n.{{node.id}} = id
RETURN labels(n) AS labels, collect(id) AS ids
