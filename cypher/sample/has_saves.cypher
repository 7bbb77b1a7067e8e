// about: Whether there are any saves.
// mode: read
// columns: saves
RETURN EXISTS { MATCH (){{-[:saves]->}}() } AS saves
