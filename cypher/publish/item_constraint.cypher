// about: One inspection node an item. The constraint is also the index that look-ups of them go through.
// mode: schema
// columns: none
CREATE CONSTRAINT _engine_item IF NOT EXISTS FOR (e:_EngineItem) REQUIRE e.id IS UNIQUE
