// about: How far the load of a data set got.
// mode: read
// param digest: string
// columns: step, position, create, rev, finished
MATCH (l:_EngineLoad) WHERE l.digest = $digest
RETURN l.step AS step, l.position AS position, l.create AS create, l.rev AS rev, l.finished AS finished
