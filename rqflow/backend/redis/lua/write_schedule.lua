-- write_schedule: a schedule changes, with all that this starts and stops, or nothing of it happens (P9).
-- ARGV  schedule       string
--       generation     string
--       revision       int   that the caller has read: another one's change came before if it is not the current one
--       state          string
--       due_ms         int   -1: none
--       spec           list  the new one, if there is one
--       args           list
--       result         list
--       ends           int   so many of the waiting ends are in the state
--       starts         rows(to,instance,run,workflow,queue,started,slot_ms,keep,timeout_ms,retention_ms,attributes,priority,lane)
--       stops          rows(to,instance,run,policy,reason)
--       checks         rows(to,instance,run)  what it started, and asks after
--       not_before_ms  int   -1: any time
--       not_after_ms   int
-- Returns {the new revision, messages left}, or no_schedule, schedule_changed.
-- @include clock
-- @include schedules
-- @later messages

local refused = schedules.changed(schedule, generation, revision)
if refused then return refused end
if clock.now < not_before_ms or (not_after_ms >= 0 and clock.now > not_after_ms) then
  return { 'err', 'schedule_changed', schedule }
end

-- The first write is one that is refused when memory is out; then later ones are not.
local fields = { 'revision', revision + 1, 'state', state }
local function set(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if args[1] then set('args', args[1]) end
if result[1] then set('result', result[1]) end
if spec[1] then
  set('spec', spec[1])
  set('broken', '')
end
redis.call('HSET', key.schedule(schedule), unpack(fields))
if ends > 0 then redis.call('LTRIM', key.schedule_ends(schedule), ends, -1) end
if redis.call('EXISTS', key.schedule_ends(schedule)) == 1 then due_ms = clock.now end
schedules.set_due(schedule, due_ms)
for _, stop in ipairs(stops) do
  messages.send(stop.to, { kind = 'close', instance = stop.instance, first = stop.run, policy = stop.policy,
    reason = stop.reason })
end
for _, start in ipairs(starts) do schedules.start(schedule, generation, start) end
for _, check in ipairs(checks) do
  messages.send(check.to, { kind = 'scheduled_check', instance = check.instance, run = check.run, schedule = schedule,
    generation = generation, partition = partition })
end
if #stops + #starts + #checks == 0 then return { revision + 1, 0 } end
messages.flush()
return { revision + 1, messages.left }
