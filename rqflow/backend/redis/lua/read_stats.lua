-- read_stats: how a partition stands. Its work is bounded: counts come from indexes and from the heads of streams.
-- ARGV  statuses  list  all that there are
-- Returns {now, instances by status, queues (see measuring), workers {record, end of lease, stats}, due, overdue,
--          messages in the outbox, broken, schedules, those that are late, schedulers}.
-- @include clock
-- @include measuring

local counts = {}
for place, status in ipairs(statuses) do counts[place] = redis.call('ZCARD', key.status(status)) end

-- A worker whose lease is 0 was declared dead: it is not shown.
local workers, names = {}, {}
local leases = redis.call('ZRANGEBYSCORE', key.workers(), '(0', '+inf', 'WITHSCORES', 'LIMIT', 0, 1000)
for place = 1, #leases, 2 do
  local info = redis.call('HMGET', key.worker_info(leases[place]), 'record', 'stats')
  if info[1] then
    workers[#workers + 1] = { info[1], leases[place + 1], info[2] or '' }
    names[#names + 1] = leases[place]
  end
end

return { clock.now, counts, measuring.queues(names), workers, redis.call('ZCARD', key.due()),
  redis.call('ZCOUNT', key.due(), '-inf', clock.now), redis.call('XLEN', key.outbox()),
  redis.call('LLEN', key.broken()), redis.call('ZCARD', key.schedules()),
  redis.call('ZCOUNT', key.schedules_due(), '-inf', clock.now),
  redis.call('ZCOUNT', key.schedulers(), clock.now, '+inf') }
