// about: One item: its corpus, properties and degrees.
// mode: read
// param item_id: string
// columns: corpus, saves, interactions, labels, properties
MATCH (i:{{items}}) WHERE i.{{items.id}} = $item_id
RETURN {{corpus(i)}} AS corpus, COUNT { (i){{<-[:saves]-}}() } AS saves,
  COUNT { (i){{<-[:interactions]-}}() } AS interactions, labels(i) AS labels, properties(i) AS properties
