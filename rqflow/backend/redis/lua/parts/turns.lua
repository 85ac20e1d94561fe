-- @include clock
-- @include rows
-- @include tasks
-- turns: what a commit does to the history, the inbox and the row.

-- The events that this turn adds to the history, and their size; nil if the inbox has fewer than were consumed.
function turns.gather(instance, row, consumed, records)
  -- One more than was consumed, to know whether there is more.
  local events = consumed > 0 and redis.call('LRANGE', key.inbox(instance), '0', consumed) or {}
  if #events < consumed then return nil end
  local more = table.remove(events, consumed + 1) ~= nil
  for i = 1, #records do events[#events + 1] = clock.stamp .. ' r ' .. records[i] end
  local bytes = 0
  for i = 1, #events do bytes = bytes + #events[i] end
  return { events = events, bytes = bytes, consumed = consumed, more = more }
end

-- A refusal if the history would pass its limits.
function turns.room(row, turn, limits)
  local hint = 'continue as new before a history grows so long'
  if row.length + #turn.events > tonumber(limits.events) then
    return { 'err', 'limit', 'events in the history of run ' .. row.run, limits.events, hint }
  end
  if row.bytes + turn.bytes > tonumber(limits.bytes) then
    return { 'err', 'limit', 'bytes in the history of run ' .. row.run, limits.bytes, hint }
  end
end

-- Afterwards row.news is false if the inbox is known to be empty.
function turns.write(instance, row, turn, kept)
  if #turn.events == 0 and not kept then redis.call('HSET', key.instance(instance), 'losses', 0) end
  for first = 1, #turn.events, 500 do
    redis.call('RPUSH', key.history(row.run), unpack(turn.events, first, math.min(first + 499, #turn.events)))
  end
  if turn.more then
    redis.call('LTRIM', key.inbox(instance), turn.consumed, -1)
  elseif turn.consumed > 0 then
    redis.call('DEL', key.inbox(instance))
    row.news = false
  end
  row.length, row.bytes = row.length + #turn.events, row.bytes + turn.bytes
end

-- The task is done. What the row must say of that is saved together with what follows from the turn.
function turns.finish(row, token, sticky)
  tasks.remove(tasks.place(token))
  row.task, row.sticky = '', sticky
end

-- P7: not after a look without events of one who keeps the task: that is no progress, and takes no losses back.
function turns.save(instance, row, fields)
  redis.call('HSET', key.instance(instance), 'length', row.length, 'bytes', row.bytes, 'task', row.task,
    'sticky', row.sticky or '', unpack(fields))
end

-- 1 if the instance has a task now.
function turns.queued(instance, row)
  if rows.closed(row) then return 0 end
  return redis.call('HGET', key.instance(instance), 'task') ~= '' and 1 or 0
end
