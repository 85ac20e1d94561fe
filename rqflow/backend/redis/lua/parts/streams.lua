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

-- What a consumer has on lease, at most `count` of it.
function streams.pending(stream, worker, count)
  local found = redis.pcall('XPENDING', stream, group, '-', '+', count, worker)
  return found.err and {} or found
end
