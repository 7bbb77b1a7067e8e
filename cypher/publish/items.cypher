// about: Write the embeddings of items that the graph has, and link them to the items. They count as half written until
//   their neighbours are there too.
// mode: write
// param rows: rows
// param generation: string
// columns: rows, handles
UNWIND $rows AS row
MATCH (i:{{items}}) WHERE i.{{items.id}} = row.id
MERGE (e:_EngineItem {id: row.id})
MERGE (e)-[:_ENGINE_OF]->(i)
SET e.digest = null, e.corpus = {{corpus(i)}}, e.generation = $generation
WITH e, row
CALL db.create.setNodeVectorProperty(e, 'embedding', row.vector)
RETURN collect(row.row) AS rows, collect(id(e)) AS handles
