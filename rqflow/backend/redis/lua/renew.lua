-- renew: a worker keeps its lease, unless it was declared dead: then all it had is others' already (P3).
-- ARGV  worker      string
--       lease_ms    int
--       heartbeats  rows(token,details)
--       stats       string  opaque JSON, empty: as before
-- Returns {now, when the next is due or -1, when the next lease of another worker ends or -1, messages in the outbox};
--   nothing if the lease has ended.
-- @include activities
-- @include clock
-- @include due
-- @include leases
-- @include tasks

local ends = tonumber(redis.call('ZSCORE', key.workers(), worker) or 0)
if ends == 0 then return {} end
redis.call('ZADD', key.workers(), clock.now + lease_ms, worker)
if stats ~= '' then redis.call('HSET', key.worker_info(worker), 'stats', stats) end
for _, beat in ipairs(heartbeats) do
  local _, id, run = activities.parts(beat.token)
  local record = id and activities.held(run, id, beat.token)
  if record and tasks.owner(key.activities(record[7]), record[2]) == worker then
    redis.call('HSET', key.attempts(run), 'h:' .. id, beat.details)
  end
end
return { clock.now, due.next() or -1, leases.next_lapse(worker), redis.call('XLEN', key.outbox()) }
