// about: The engine's own counter, how far back the change feed reaches, the salt of forgotten ids, and what is known of the graph's fields.
// mode: read
// columns: rev, compacted, salt, fields_json, widths_json
MATCH (s:_EngineState {name: 'state'})
RETURN coalesce(s.rev, 0) AS rev, coalesce(s.compacted, 0) AS compacted, s.salt AS salt,
  s.fields_json AS fields_json, s.widths_json AS widths_json
