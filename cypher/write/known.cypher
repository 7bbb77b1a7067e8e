// about: Which of some ids the graph has; items with the label they wear.
// each: items, contexts, users
// mode: read
// param ids: strings
// columns: id, labels
UNWIND $ids AS id
MATCH (n:{{node}}) WHERE n.{{node.id}} = id
RETURN id, labels(n) AS labels
