// about: The salt that ids of forgotten nodes are digested with; the given one where there is none yet.
// mode: write
// param salt: string
// columns: salt
MERGE (s:_EngineState {name: 'state'})
SET s.salt = coalesce(s.salt, $salt)
RETURN s.salt AS salt
