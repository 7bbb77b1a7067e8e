// One node an id. The constraints are also the indexes that every look-up by id goes through.
CREATE CONSTRAINT IF NOT EXISTS FOR (n:{{item_label}}) REQUIRE n.{{items.id}} IS UNIQUE;
CREATE CONSTRAINT IF NOT EXISTS FOR (n:{{contexts}}) REQUIRE n.{{contexts.id}} IS UNIQUE;
CREATE CONSTRAINT IF NOT EXISTS FOR (n:{{users}}) REQUIRE n.{{users.id}} IS UNIQUE;

// The engine's own nodes.
CREATE CONSTRAINT IF NOT EXISTS FOR (n:_EngineState) REQUIRE n.name IS UNIQUE;
CREATE CONSTRAINT IF NOT EXISTS FOR (n:_EngineLoad) REQUIRE n.digest IS UNIQUE;
CREATE CONSTRAINT IF NOT EXISTS FOR (n:_EngineMigration) REQUIRE n.version IS UNIQUE;

// What changed past a watermark is read through these. An edge's change stamps its source (a context, a user) too, so
// that one index on nodes leads to it: an index on relationships would cost each of millions of edges an entry.
CREATE INDEX IF NOT EXISTS FOR (n:{{item_label}}) ON (n.rev);
CREATE INDEX IF NOT EXISTS FOR (n:{{contexts}}) ON (n.rev);
CREATE INDEX IF NOT EXISTS FOR (n:{{users}}) ON (n.rev);
CREATE INDEX IF NOT EXISTS FOR (n:_EngineTombstone) ON (n.rev);
