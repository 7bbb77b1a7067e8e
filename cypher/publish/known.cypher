// about: What is published of each item: its digest (none while it is half written), that of its relationships, and the score of
//   its last related item.
// mode: read
// scan: allowed - an update compares every published item once
// columns: id, handle, digest, links, floor, linked
MATCH (e:_EngineItem)
RETURN e.id AS id, id(e) AS handle, e.digest AS digest, e.links AS links, e.floor AS floor,
  EXISTS { (e)-[:_ENGINE_OF]->(:{{items}}) } AS linked
