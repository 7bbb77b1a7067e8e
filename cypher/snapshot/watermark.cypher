// about: The counter that every write transaction of the engine increments, and what ingest knows of the fields. No row in a graph that the engine never wrote to.
// mode: read
// columns: rev, fields
MATCH (e:_EngineState {name: 'state'})
RETURN coalesce(e.rev, 0) AS rev, e.fields_json AS fields
