-- @include clock
-- @include firing
-- @include lifecycle
-- @include messages
-- agenda: carrying out what is due. A member that cannot be handled is set aside and harms no other (P7).

-- At most `limit` of it. Returns how many were handled.
function agenda.fire(limit)
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
end

-- As fire, for a script that has other things to do: 0 and the reason if none could be handled.
function agenda.try(limit)
  local done, found = pcall(agenda.fire, limit)
  if done then return found, '' end
  return 0, type(found) == 'table' and found.err or tostring(found)
end
