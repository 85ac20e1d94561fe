-- delete_schedule: a schedule is forgotten; what it started goes on.
-- ARGV  schedule  string
--       revision  int     -1: any
-- Returns 1, or no_schedule, schedule_changed.

local known = redis.call('HGET', key.schedule(schedule), 'revision')
if not known then return { 'err', 'no_schedule', schedule } end
if revision >= 0 and tonumber(known) ~= revision then return { 'err', 'schedule_changed', schedule } end
redis.call('UNLINK', key.schedule(schedule), key.schedule_ends(schedule))
redis.call('ZREM', key.schedules(), schedule)
redis.call('ZREM', key.schedules_due(), schedule)
return 1
