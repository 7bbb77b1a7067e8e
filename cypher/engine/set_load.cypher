// about: Record how far the load of a data set got, in the transaction that got it there.
// mode: write
// param digest: string
// param step: string
// param position: integer
// param create: boolean
// param rev: integer
// param finished: string?
// columns: none
MERGE (l:_EngineLoad {digest: $digest})
SET l.step = $step, l.position = $position, l.create = $create, l.rev = $rev, l.finished = $finished
