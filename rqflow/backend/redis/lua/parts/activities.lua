-- @include clock
-- @include due
-- @include tasks
-- activities: what a run knows of the activities it waits for. An attempt's entry id is its fence (P3, P5).
-- A record is [state, entry, attempt, losses, start_ms, total, queue, name], see rows.py.

function activities.read(run, id)
  local packed = redis.call('HGET', key.outstanding(run), 'a:' .. id)
  return packed and cmsgpack.unpack(packed) or nil
end

-- Entry, id and run of an activity's token.
function activities.parts(token)
  return string.match(token, '^([%d-]+)@(%d+)@(.+)$')
end

-- The record if that attempt is the current one.
function activities.held(run, id, token)
  local entry, named, of = activities.parts(token)
  local record = entry and named == id and of == run and activities.read(run, id)
  return record and record[1] == 'queued' and record[2] == entry and record or nil
end

-- Put an attempt into its queue: `fields` are those of the stream entry. The record follows.
function activities.queue(instance, run, id, record, fields)
  record[1] = 'queued'
  record[2] = redis.call('XADD', key.activities(record[7]), '*', unpack(fields))
  if record[5] >= 0 then due.add(clock.now + record[5], 'queued', id, run, instance) end
  redis.call('HSET', key.outstanding(run), 'a:' .. id, cmsgpack.pack(record))
end

-- The fields of its entry.
function activities.fields(record)
  local found = redis.call('XRANGE', key.activities(record[7]), record[2], record[2])
  return found[1] and found[1][2]
end

-- Take an attempt back from whoever has it. `fields` are needed if there is to be another.
function activities.withdraw(instance, run, id, record)
  if record[1] == 'queued' then
    tasks.remove(key.activities(record[7]), record[2])
    if record[5] >= 0 then due.remove('queued', id, run, instance) end
  else
    due.remove('retry', id, run, instance)
  end
end

-- The attempt in its queue again, under a new entry: the old one's holder has lost it.
function activities.requeue(instance, run, id, record, fields)
  local stream, entry = key.activities(record[7]), record[2]
  activities.queue(instance, run, id, record, fields)
  tasks.remove(stream, entry)
end

-- It has ended, or nobody wants it any more: nothing of it stays.
function activities.forget(instance, run, id, record)
  activities.withdraw(instance, run, id, record)
  if record[6] == 1 then due.remove('total', id, run, instance) end
  redis.call('HDEL', key.outstanding(run), 'a:' .. id)
  redis.call('HDEL', key.attempts(run), 'h:' .. id, 'l:' .. id, 'f:' .. id)
end
