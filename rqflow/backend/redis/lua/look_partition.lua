-- look_partition: the partition's own keys, at one moment: do its numbers add up?
-- ARGV  statuses  list  of instances, all that there are
--       closed    list  those that are ends
-- Returns {findings, number of instances, the record of the hub, {source, last message received from it} in turn,
--          last id of the outbox}.
-- @include findings

local function count(names)
  local sum = 0
  for _, status in ipairs(names) do sum = sum + redis.call('ZCARD', key.status(status)) end
  return sum
end

local function compare(name, has, other)
  if has ~= other then findings.add('count', name, '', has .. ', not ' .. other) end
end

local function above(series, index)
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  local given = redis.call('HGET', key.counters(), series)
  if last and tonumber(given or 0) < tonumber(last) then
    findings.add('counter', key.counters(), '', series .. ' is ' .. (given or 'missing') .. ', below ' .. last)
  end
end

local function parts(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(number)
end

-- Messages of this partition to itself that it has not received, as far as they can be counted in a bounded time.
local function own_messages()
  if redis.call('XLEN', key.outbox()) > 1000 then return end
  local last_ms, last_number = parts(redis.call('HGET', key.received(), partition) or '0-0')
  local waiting, counted = 0, tonumber(redis.call('HGET', key.counters(), 'self') or 0)
  for _, entry in ipairs(redis.call('XRANGE', key.outbox(), '-', '+')) do
    local ms, number = parts(entry[1])
    local later = ms > last_ms or (ms == last_ms and number > last_number)
    if tonumber(entry[2][2]) == partition and later then waiting = waiting + 1 end
  end
  if counted ~= waiting then findings.add('counter', key.counters(), '', 'self is ' .. counted .. ', not ' .. waiting) end
end

local function look()
  local all = redis.call('ZCARD', key.ids())
  compare(key.created(), redis.call('ZCARD', key.created()), all)
  compare(key.status('*'), count(statuses), all)
  compare(key.closed(), redis.call('ZCARD', key.closed()), count(closed))
  above('order', key.created())
  above('closed', key.closed())
  own_messages()
  local broken = redis.call('LLEN', key.broken())
  if broken > 0 then findings.add('broken', key.broken(), '', broken) end
  return all
end

local function last_of_outbox()
  local info = redis.pcall('XINFO', 'STREAM', key.outbox())
  for i = 1, info.err and 0 or #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
  return '0-0'
end

local all = findings.of(KEYS[1], '', look) or 0
return { findings.list, all, redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', key.received()), last_of_outbox() }
