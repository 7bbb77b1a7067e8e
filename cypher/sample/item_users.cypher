// about: The users next to some items, packed, with the rev of each edge and the ids of the users among the neighbours but for those known.
// mode: read
// param parts: any
// param known: integers
// columns: rev, sources, targets, revs, named, ids
OPTIONAL MATCH (e:_EngineState {name: 'state'})
WITH e.rev AS rev
UNWIND $parts AS part
CALL (part) {
  UNWIND part AS handle
  MATCH (a) WHERE id(a) = handle
  MATCH (a){{<-[s:interactions]-}}(b)
  RETURN collect(handle) AS sources, collect(b) AS ends, collect(coalesce(s.rev, 0)) AS revs
}
CALL (ends) {
  UNWIND ends AS b
  WITH DISTINCT b WHERE b:{{users}} AND NOT id(b) IN $known
  RETURN collect(id(b)) AS named, collect(b.{{users.id}}) AS ids
}
RETURN rev, sources, [b IN ends | id(b)] AS targets, revs, named, ids
