// about: Take the next rev. First in every write transaction: it locks the counter, so that writers go one after another.
// mode: write
// columns: rev
MERGE (s:_EngineState {name: 'state'})
SET s.locked = true
WITH s
SET s.rev = coalesce(s.rev, 0) + 1
RETURN s.rev AS rev
