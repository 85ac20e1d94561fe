-- @include bulk
-- due: the sorted set of what happens at a time. A member names its run, so nothing of an old run harms a new one.

function due.member(kind, number, run, instance)
  return kind .. ' ' .. number .. ' ' .. run .. ' ' .. instance
end

function due.add(at, kind, number, run, instance)
  bulk.add(key.due(), at, due.member(kind, number, run, instance))
end

function due.remove(kind, number, run, instance)
  bulk.drop(key.due(), due.member(kind, number, run, instance))
end

-- When the earliest is due, or nil; of what is written.
function due.next()
  local first = redis.call('ZRANGE', key.due(), 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2])
end
