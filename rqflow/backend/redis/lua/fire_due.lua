-- fire_due: what is due becomes news or tasks. A member that cannot be handled is set aside and harms no other (P7).
-- ARGV  limit  int
-- Returns how many were handled.
-- @include clock
-- @include firing
-- @include inbox
-- @include rows
-- @include tasks
-- @later lifecycle
-- @later messages

local members = redis.call('ZRANGEBYSCORE', key.due(), '-inf', clock.now, 'LIMIT', 0, limit)
if #members == 0 then return 0 end
-- Refused for lack of memory before anything has happened: then no member is to blame.
redis.call('HINCRBY', key.counters(), 'fired', #members)
local handled = 0
for _, member in ipairs(members) do
  -- One before it may have taken it out: the end of its run, say.
  if redis.call('ZREM', key.due(), member) == 1 then
    handled = handled + 1
    local done, problem = pcall(firing.fire, member)
    if not done then lifecycle.broken(member, problem) end
    messages.flush()
  end
end
return handled
