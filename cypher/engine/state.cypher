// about: The engine's own counter and what it knows of the graph's fields.
// mode: read
// columns: rev, fields_json, widths_json
MATCH (s:_EngineState {name: 'state'})
RETURN coalesce(s.rev, 0) AS rev, s.fields_json AS fields_json, s.widths_json AS widths_json
