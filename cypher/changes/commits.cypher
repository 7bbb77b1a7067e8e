// about: When the first revs past a rev were taken, oldest first, by the server's clock.
// mode: read
// param since: integer
// param limit: integer = 1
// columns: rev, at
MATCH (m:_EngineRev) WHERE m.rev > $since
RETURN m.rev AS rev, m.at AS at ORDER BY m.rev LIMIT $limit
