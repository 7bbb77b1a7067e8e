// about: Why an answer is related: the contexts that hold both items, as paths.
// mode: read
// param from: string
// param to: string
// columns: path
MATCH (q:{{items}}) WHERE q.{{items.id}} = $from
MATCH (a:{{items}}) WHERE a.{{items.id}} = $to
MATCH path = (q){{<-[:saves]-}}(:{{contexts}}){{-[:saves]->}}(a)
RETURN path LIMIT 25
