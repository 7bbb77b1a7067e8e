// about: Take the next rev. First in every write transaction: it locks the counter, so that writers go one after another.
//   When it was taken is kept beside, by the server's clock at the moment when the lock was there.
// mode: write
// columns: rev
MERGE (s:_EngineState {name: 'state'})
SET s.locked = true
WITH s
SET s.rev = coalesce(s.rev, 0) + 1
CREATE (:_EngineRev {rev: s.rev, at: datetime.realtime().epochMillis})
RETURN s.rev AS rev
