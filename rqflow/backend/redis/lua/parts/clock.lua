-- @include bulk
-- clock: Redis' time, read once a script, so that all that one script does happens at one moment.
do
  local time = redis.call('TIME')
  clock.now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  clock.past_us = tonumber(time[2]) % 1000
  -- The same for what is written: a number becomes text anew each time that it is, which takes a command's time.
  clock.stamp = string.format('%.0f', clock.now)
  clock.last = {}
end

-- The next number of a series in which no number comes twice and later ones are greater: microseconds, nearly. As text.
-- The last one is looked for once a script.
function clock.next(series)
  local last = clock.last[series] or tonumber(redis.call('HGET', key.counters(), series) or 0)
  clock.last[series] = math.max(clock.now * 1000, last + 1)
  local order = string.format('%.0f', clock.last[series])
  bulk.number(series, order)
  return order
end
