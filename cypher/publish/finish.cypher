// about: Mark published items as whole again whose neighbours and related items stay as they are.
// mode: write
// param rows: rows
// columns: none
UNWIND $rows AS row
MATCH (e) WHERE id(e) = row.handle AND e:_EngineItem
SET e.digest = row.digest, e.floor = row.floor
