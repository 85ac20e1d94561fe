-- @include activities
-- @include clock
-- @include rows
-- @include tasks
-- unknowns: tasks that a worker gave back because it does not know their name, for humans to see.
-- A note is {kind, name, instance, number, mark, attempt}, see rows.py; it counts until a while after the task is seen again.

function unknowns.note(queue, note, delay_ms)
  local noted, ends = key.unknown(queue), clock.now + delay_ms + 60000
  redis.call('ZADD', noted, ends, cmsgpack.pack(note))
  redis.call('ZREMRANGEBYSCORE', noted, '-inf', clock.now)
  redis.call('ZREMRANGEBYRANK', noted, 0, -1001)
  redis.call('PEXPIREAT', noted, ends)
end

-- Somebody who knows the name has been told of it.
function unknowns.forget(queue, note) redis.call('ZREM', key.unknown(queue), cmsgpack.pack(note)) end

function unknowns.notes(queue, most)
  return redis.call('ZRANGEBYSCORE', key.unknown(queue), clock.now, '+inf', 'LIMIT', 0, most)
end

-- Whether what was noted still waits for somebody to take it.
local function waits(kind, instance, id, mark, attempt)
  if kind == 'a' then
    local record = activities.read(mark, id)
    return record and record[3] == attempt and (record[1] ~= 'queued' or not tasks.owner(key.activities(record[7]), record[2]))
  end
  local row = rows.read(instance, 'task', 'length')
  -- A longer history: somebody who knew it has taken a turn since.
  if row.length ~= mark or (row.task or '') == '' then return false end
  local stream, entry = tasks.place(row.task)
  return not stream or not tasks.owner(stream, entry)
end

-- The names, each as often as it waits.
function unknowns.names(queue, most)
  local names = {}
  for _, packed in ipairs(unknowns.notes(queue, most)) do
    local note = cmsgpack.unpack(packed)
    if waits(note[1], note[3], note[4], note[5], note[6]) then names[#names + 1] = note[2] end
  end
  return names
end
