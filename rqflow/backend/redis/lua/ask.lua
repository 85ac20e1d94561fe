-- ask: a question for an instance is queued, for the worker that keeps its executor if it lives. Ended ones answer too.
-- ARGV  instance    string
--       query       string  unique id of the question
--       name        string
--       payload     string
--       timeout_ms  int
-- Returns 1, or missing.
-- @include clock
-- @include rows
-- @include tasks

local row = rows.read(instance, 'status', 'sticky', 'queue')
if not row.status then return { 'err', 'missing', instance } end
redis.call('XADD', tasks.stream(row), '*', 'kind', 'query', 'instance', instance, 'query', query, 'name', name,
  'payload', payload, 'expires_ms', clock.now + timeout_ms)
return 1
