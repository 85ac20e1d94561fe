-- break_schedule: a schedule is set aside, with the reason, until its spec is written anew.
-- ARGV  schedule    string
--       generation  string
--       revision    int
--       reason      string
-- Returns 1, or no_schedule, schedule_changed.
-- @include clock
-- @include schedules

local refused = schedules.changed(schedule, generation, revision)
if refused then return refused end
redis.call('HSET', key.schedule(schedule), 'revision', revision + 1, 'broken', reason)
schedules.set_due(schedule, -1)
return 1
