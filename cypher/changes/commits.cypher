// about: When the first revs past a rev were taken, by the server's clock, oldest first and packed; and what that clock says now.
// mode: read
// param since: integer
// param limit: integer = 1
// columns: revs, ats, now
CALL () {
  MATCH (m:_EngineRev) WHERE m.rev > $since
  WITH m ORDER BY m.rev LIMIT $limit
  RETURN collect(m.rev) AS revs, collect(m.at) AS ats
}
RETURN revs, ats, datetime.realtime().epochMillis AS now
