// about: The rev and the counts of the graph, from the count store: equal while nobody adds or removes anything.
//   The engine's own marks of what happened do not count, for compaction removes them, nor what `engine inspect publish` wrote.
// mode: read
// scan: allowed - only the engine's own label is read, the counts come from the count store
// columns: rev, contexts, users, saves, interactions, follows, owns, nodes
OPTIONAL MATCH (s:_EngineState {name: 'state'})
RETURN s.rev AS rev,
  COUNT { MATCH (:{{contexts}}) } AS contexts, COUNT { MATCH (:{{users}}) } AS users,
  COUNT { MATCH (){{-[:saves]->}}() } AS saves, COUNT { MATCH (){{-[:interactions]->}}() } AS interactions,
  COUNT { MATCH (){{-[:follows]->}}() } AS follows, COUNT { MATCH (){{-[:owns]->}}() } AS owns,
  COUNT { MATCH () } - COUNT { MATCH (:_EngineTombstone) } - COUNT { MATCH (:_EngineRev) }
    - COUNT { MATCH (:_EngineItem) } - COUNT { MATCH (:_EngineInspection) } AS nodes
