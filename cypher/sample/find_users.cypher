// about: The internal ids of users, by their ids.
// mode: read
// param ids: strings
// columns: rev, found, handles
OPTIONAL MATCH (e:_EngineState {name: 'state'})
WITH e.rev AS rev
CALL () {
  UNWIND $ids AS wanted
  MATCH (n:{{users}}) WHERE n.{{users.id}} = wanted
  RETURN collect(wanted) AS found, collect(id(n)) AS handles
}
RETURN rev, found, handles
