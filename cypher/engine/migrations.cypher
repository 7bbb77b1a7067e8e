// about: The schema migrations that the graph has had.
// mode: read
// columns: version, name, checksum, mappings
// scan: allowed - the engine's own label, one node a migration
MATCH (m:_EngineMigration)
RETURN m.version AS version, m.name AS name, m.checksum AS checksum, m.mappings AS mappings
ORDER BY version
