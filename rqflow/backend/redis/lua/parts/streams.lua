-- @include bulk
-- streams: reading task streams; each has one consumer group, made when it is first needed.

function streams.open(stream)
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then error(made.err) end
end

-- Up to `count` entries for this worker: new ones ('>') or those it has on lease already ('0').
function streams.read(stream, worker, count, from)
  local found = redis.pcall('XREADGROUP', 'GROUP', group, worker, 'COUNT', count, 'STREAMS', stream, from)
  if found and found.err then
    if not string.find(found.err, 'NOGROUP', 1, true) then error(found.err) end
    streams.open(stream)
    found = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', count, 'STREAMS', stream, from)
  end
  return found and found[1] and found[1][2] or {}
end

-- An entry's fields as a table.
function streams.fields(entry)
  local fields = {}
  for i = 1, #(entry[2] or {}), 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields
end

-- End one blocked read, so that its worker looks at the time again. An entry that nobody has read yet does so too:
-- then there is no need, and a wake entry is always the first of those.
function streams.wake(stream)
  bulk.settle(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err or not groups[1] then return end
  local delivered
  for i = 1, #groups[1], 2 do
    if groups[1][i] == 'last-delivered-id' then delivered = groups[1][i + 1] end
  end
  if #redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 1) == 0 then
    redis.call('XADD', stream, '*', 'kind', 'wake')
  end
end

-- What a consumer has on lease, at most `count` of it.
function streams.pending(stream, worker, count)
  local found = redis.pcall('XPENDING', stream, group, '-', '+', count, worker)
  return found.err and {} or found
end
