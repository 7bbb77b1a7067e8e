// about: Record the kinds of the node fields and the widths of the vectors.
// mode: write
// param fields_json: string
// param widths_json: string
// columns: none
MERGE (s:_EngineState {name: 'state'})
SET s.fields_json = $fields_json, s.widths_json = $widths_json
