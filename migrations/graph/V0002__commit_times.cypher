// When each rev was taken: what freshness is measured from. Compaction prunes the nodes together with the tombstones.
CREATE INDEX IF NOT EXISTS FOR (n:_EngineRev) ON (n.rev);
