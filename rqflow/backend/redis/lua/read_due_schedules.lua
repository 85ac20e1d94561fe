-- read_due_schedules: what a scheduler has to look at now; it also tells that the scheduler lives.
-- ARGV  scheduler  string
--       lease_ms   int
--       limit      int
--       skip       int     so many that are due are left out
-- Returns {now, when the next is due that is not in it or -1, messages in the outbox, rows as schedule_rows makes them}.
-- @include clock
-- @include schedule_rows

redis.call('ZADD', key.schedulers(), clock.now + lease_ms, scheduler)
redis.call('ZREMRANGEBYSCORE', key.schedulers(), '-inf', clock.now)
redis.call('PEXPIRE', key.schedulers(), lease_ms)
local due = redis.call('ZRANGEBYSCORE', key.schedules_due(), '-inf', clock.now, 'LIMIT', skip, limit)
local rows = schedule_rows.page(due, limit)
local after = skip + #rows -- those without a sound row are not in it any more
local next_due = redis.call('ZRANGE', key.schedules_due(), after, after, 'WITHSCORES')
return { clock.now, tonumber(next_due[2] or -1), redis.call('XLEN', key.outbox()), rows }
