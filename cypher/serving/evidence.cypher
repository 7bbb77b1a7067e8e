// about: What an answer to one user (saves: one context) rests on, as paths to look at: items they have, their friends, others who have
//   those items, and who has the item that was asked about.
// each: interactions, saves
// mode: read
// param id: string
// param items: strings = []
// param friends: strings = []
// param following: boolean = true
// param followers: boolean = false
// param takers: strings = []
// param item: string? = null
// param raters: strings = []
// columns: path
MATCH (a:{{source}}) WHERE a.{{source.id}} = $id
CALL (a) {
  MATCH path = (a){{-[:edge]->}}(b:{{target}}) WHERE b.{{target.id}} IN $items
  RETURN path
  UNION
  MATCH path = (a){{-[:follows]->}}(f:{{users}}) WHERE $following AND f.{{users.id}} IN $friends
  RETURN path
  UNION
  MATCH path = (a){{<-[:follows]-}}(f:{{users}}) WHERE $followers AND f.{{users.id}} IN $friends
  RETURN path
  UNION
  MATCH path = (a){{-[:edge]->}}(:{{target}}){{<-[:edge]-}}(o:{{source}}) WHERE o.{{source.id}} IN $takers
  RETURN path
  UNION
  MATCH path = (t:{{target}}){{<-[:edge]-}}(o:{{source}}) WHERE t.{{target.id}} = $item AND o.{{source.id}} IN $raters
  RETURN path
}
RETURN path
