-- read_update_answer: the answer to an update, which a run may have given just before it continued as a new one.
-- ARGV  instance  string
--       update    string
-- Returns {status, answer as in rows.py or nothing}, or missing.
-- @include rows

local row = rows.read(instance, 'status', 'run')
if not row.status then return { 'err', 'missing', instance } end
local answer = redis.call('HGET', key.answers(row.run), update)
if not answer then
  for _, run in ipairs(redis.call('LRANGE', key.runs(instance), -5, -1)) do
    answer = answer or redis.call('HGET', key.answers(run), update)
  end
end
return { row.status, answer }
