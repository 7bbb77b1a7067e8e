// about: Remove the constraint of the inspection nodes.
// mode: schema
// columns: none
DROP CONSTRAINT _engine_item IF EXISTS
