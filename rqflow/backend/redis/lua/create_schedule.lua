-- create_schedule: a new schedule is kept.
-- ARGV  schedule    string
--       generation  string  the request id, too
--       spec        string
--       args        string
--       state       string
--       due_ms      int     -1: none
-- Returns 1, 0 for a repeat, or schedule_exists.
-- @include clock
-- @include schedules

local known = redis.call('HGET', key.schedule(schedule), 'generation')
if known == generation then return 0 end
if known then return { 'err', 'schedule_exists', schedule } end
redis.call('HSET', key.schedule(schedule), 'generation', generation, 'revision', 1, 'spec', spec, 'args', args,
  'state', state, 'created_ms', clock.now)
redis.call('ZADD', key.schedules(), 0, schedule)
schedules.set_due(schedule, due_ms)
return 1
