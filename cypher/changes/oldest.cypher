// about: The graph's rev, when the first rev past another one was taken (empty where there is none, or no time was kept), and what the server's clock says now.
// mode: read
// param since: integer
// columns: rev, ats, now
OPTIONAL MATCH (s:_EngineState {name: 'state'})
CALL () {
  MATCH (m:_EngineRev) WHERE m.rev > $since
  WITH m ORDER BY m.rev LIMIT 1
  RETURN collect(m.at) AS ats
}
RETURN coalesce(s.rev, 0) AS rev, ats, datetime.realtime().epochMillis AS now
