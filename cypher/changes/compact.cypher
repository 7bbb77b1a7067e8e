// about: Remove the tombstones and the commit times up to a rev, some at a time, and note that the change feed reaches back no further.
//   The note and the removal are one transaction, which writers wait for: no reader finds a part of it.
// mode: write
// param rev: integer
// param most: integer
// columns: tombstones, commits
MATCH (s:_EngineState {name: 'state'})
SET s.compacted = CASE WHEN coalesce(s.compacted, 0) < $rev THEN $rev ELSE s.compacted END
WITH s
CALL () {
  MATCH (t:_EngineTombstone) WHERE t.rev <= $rev
  WITH t LIMIT $most
  DELETE t
  RETURN count(t) AS tombstones
}
CALL () {
  MATCH (m:_EngineRev) WHERE m.rev <= $rev
  WITH m LIMIT $most
  DELETE m
  RETURN count(m) AS commits
}
RETURN tombstones, commits
