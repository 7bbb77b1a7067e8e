// about: Take the write lock of the counter, so that writers wait until this transaction ends. Changes nothing.
// mode: write
// columns: rev
MATCH (e:_EngineState {name: 'state'})
SET e.rev = e.rev
RETURN e.rev AS rev
