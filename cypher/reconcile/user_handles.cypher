// about: The internal ids of all users, in blocks, with how many edges each has. Internal ids serve as handles within one comparison only.
// mode: read
// param block: integer = 262144
// scan: allowed - a comparison reads every node once
// columns: block, handles, interactions, follows, owns
MATCH (n:{{users}})
WITH id(n) / $block AS block, id(n) AS handle,
  COUNT { (n){{-[:interactions]->}}() } AS interaction, COUNT { (n){{-[:follows]->}}() } AS follow, COUNT { (n){{-[:owns]->}}() } AS own
RETURN block, collect(handle) AS handles,
  collect(interaction) AS interactions, collect(follow) AS follows, collect(own) AS owns
