-- selecting: the few instances that a listing must look at. Creation and closing orders are microseconds, nearly
-- (see clock.next): never less than the time they were given at, so that they bound times.

local slack_us = 600000000 -- how far orders may run ahead of the time, when Redis' clock was set back

-- The least and the greatest order of what was created, or closed, in a time; as ZRANGEBYSCORE takes them.
local function bounds(after, before)
  return after >= 0 and string.format('%.0f', after * 1000) or '-inf',
    before >= 0 and string.format('%.0f', before * 1000 + slack_us) or '+inf'
end

-- All of a small set of ids, by creation order.
local function sorted(ids, least, below)
  local candidates = {}
  for _, instance in ipairs(ids) do
    local order = redis.call('ZSCORE', key.created(), instance)
    if order and (below == '' or tonumber(order) < tonumber(below))
      and (least == '-inf' or tonumber(order) >= tonumber(least)) then
      candidates[#candidates + 1] = { instance = instance, order = order }
    end
  end
  table.sort(candidates, function(a, b) return tonumber(a.order) > tonumber(b.order) end)
  return candidates, false
end

-- Up to `count` {instance, order}, newest first, from the smallest set that holds all we look for; and whether there
-- are more of them.
function selecting.candidates(wanted, count)
  local least, greatest = bounds(wanted.created_after, wanted.created_before)
  local smallest, size = key.created(), redis.call('ZCARD', key.created())
  for _, index in ipairs(wanted.indexes) do
    local length = redis.call('ZCARD', index)
    if length < size then smallest, size = index, length end
  end
  if wanted.id_prefix ~= '' then
    local from, to = '[' .. wanted.id_prefix, '(' .. wanted.id_prefix .. '\255'
    local length = redis.call('ZLEXCOUNT', key.ids(), from, to)
    if length < size and length <= count then
      return sorted(redis.call('ZRANGEBYLEX', key.ids(), from, to), least, wanted.below)
    end
  end
  if wanted.closed_after >= 0 or wanted.closed_before >= 0 then
    local from, to = bounds(wanted.closed_after, wanted.closed_before)
    local length = redis.call('ZCOUNT', key.closed(), from, to)
    if length < size and length <= count then
      return sorted(redis.call('ZRANGEBYSCORE', key.closed(), from, to), least, wanted.below)
    end
  end
  if wanted.below ~= '' and (greatest == '+inf' or tonumber(wanted.below) <= tonumber(greatest)) then
    greatest = '(' .. wanted.below
  end
  local read = redis.call('ZREVRANGEBYSCORE', smallest, greatest, least, 'WITHSCORES', 'LIMIT', 0, count + 1)
  local candidates = {}
  for place = 1, math.min(#read, 2 * count), 2 do
    candidates[#candidates + 1] = { instance = read[place], order = read[place + 1] }
  end
  return candidates, #read > 2 * count
end

local function within(time, after, before)
  time = tonumber(time)
  if after < 0 and before < 0 then return true end
  return time and (after < 0 or time >= after) and (before < 0 or time < before)
end

-- Whether an instance meets all conditions.
function selecting.fits(instance, wanted)
  for _, index in ipairs(wanted.indexes) do
    if not redis.call('ZSCORE', index, instance) then return false end
  end
  if string.sub(instance, 1, #wanted.id_prefix) ~= wanted.id_prefix then return false end
  local times = redis.call('HMGET', key.instance(instance), 'created_ms', 'closed_ms')
  return within(times[1], wanted.created_after, wanted.created_before)
    and within(times[2], wanted.closed_after, wanted.closed_before)
end
