// about: Record a schema migration and the mapping it ran with.
// mode: write
// param version: integer
// param name: string
// param checksum: string
// param mapping: string
// columns: none
MERGE (m:_EngineMigration {version: $version})
SET m.name = $name, m.checksum = $checksum,
  m.mappings = [known IN coalesce(m.mappings, []) WHERE known <> $mapping] + [$mapping]
