// about: How many published neighbours and related items there are, from the count store.
// mode: read
// columns: count
RETURN COUNT { MATCH ()-[:_ENGINE_NEIGHBOUR]->() } + COUNT { MATCH ()-[:_ENGINE_RELATED]->() } AS count
