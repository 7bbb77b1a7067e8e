// about: How many nodes and edges of each kind there are, from the count store.
// mode: read
// scan: allowed - the counts come from the count store, which the plan of a label disjunction does not show
// columns: what, count
CALL () {
  UNWIND [0] AS once RETURN 'items' AS what, COUNT { MATCH (:{{items}}) } AS count
  UNION ALL UNWIND [0] AS once RETURN 'contexts' AS what, COUNT { MATCH (:{{contexts}}) } AS count
  UNION ALL UNWIND [0] AS once RETURN 'users' AS what, COUNT { MATCH (:{{users}}) } AS count
  UNION ALL UNWIND [0] AS once RETURN 'saves' AS what, COUNT { MATCH (){{-[:saves]->}}() } AS count
  UNION ALL UNWIND [0] AS once RETURN 'interactions' AS what, COUNT { MATCH (){{-[:interactions]->}}() } AS count
  UNION ALL UNWIND [0] AS once RETURN 'follows' AS what, COUNT { MATCH (){{-[:follows]->}}() } AS count
  UNION ALL UNWIND [0] AS once RETURN 'owns' AS what, COUNT { MATCH (){{-[:owns]->}}() } AS count
}
RETURN what, count
