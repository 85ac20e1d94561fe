-- @include clock
-- @include lifecycle
-- @include messages
-- schedules: their rows, when each is due, what they start, and how they learn of its end.

-- A refusal if this is not the schedule that the caller has read.
function schedules.changed(id, generation, revision)
  local known = redis.call('HMGET', key.schedule(id), 'generation', 'revision')
  if not known[1] then return { 'err', 'no_schedule', id } end
  if known[1] ~= generation or tonumber(known[2]) ~= revision then return { 'err', 'schedule_changed', id } end
end

-- When a scheduler is to look at it, -1: when something happens. A broken one is left alone. Schedulers sleep until
-- the soonest is due: they are told when another one becomes that.
function schedules.set_due(id, at)
  if at < 0 or (redis.call('HGET', key.schedule(id), 'broken') or '') ~= '' then
    return redis.call('ZREM', key.schedules_due(), id)
  end
  local soonest = redis.call('ZRANGE', key.schedules_due(), 0, 0, 'WITHSCORES')
  redis.call('ZADD', key.schedules_due(), at, id)
  if not soonest[2] or at < tonumber(soonest[2]) then redis.call('PUBLISH', key.schedules_changed(), '') end
end

-- {id, the fields of rows.SCHEDULE, when it is due or empty, ends}, and its size; nil if there is none.
function schedules.row(id)
  local values = redis.call('HMGET', key.schedule(id), 'generation', 'revision', 'spec', 'args', 'state', 'result',
    'broken', 'created_ms')
  if not values[1] then return nil, 0 end
  local ends, size = redis.call('LRANGE', key.schedule_ends(id), 0, -1), #id
  for place = 1, 8 do
    values[place] = values[place] or ''
    size = size + #values[place]
  end
  for _, one in ipairs(ends) do size = size + #one end
  return { id, values, redis.call('ZSCORE', key.schedules_due(), id) or '', ends }, size
end

-- Rows of the first of them, bounded in number and bytes, and how many those are.
function schedules.page(ids, limit)
  local rows, size = {}, 0
  for place = 1, math.min(#ids, limit) do
    -- P7: what has no row, or a spoiled one, stops no other and is not looked at for ever.
    local sound, row, more = pcall(schedules.row, ids[place])
    if not sound then lifecycle.broken('schedule ' .. ids[place], row) end
    if not sound or not row then
      redis.call('ZREM', key.schedules_due(), ids[place])
    else
      size = size + more
      if place > 1 and size > 1048576 then return rows, place - 1 end
      rows[#rows + 1] = row
    end
  end
  return rows, math.min(#ids, limit)
end

function schedules.start(id, generation, start)
  local new = { instance = start.instance, run = start.run, workflow = start.workflow, queue = start.queue,
    started = start.started, retention_ms = start.retention_ms, attributes = cjson.decode(start.attributes),
    priority = start.priority, lane = start.lane, schedule = id, slot_ms = start.slot_ms,
    scheduled = cmsgpack.pack({ generation = generation, partition = partition, keep = start.keep == '1' }) }
  if start.timeout_ms ~= '' then new.timeout_ms = start.timeout_ms end
  messages.send(start.to, { kind = 'start', row = new })
end

-- What a schedule started has ended, or could not be started: the schedule is due at once, if it is still the same.
function schedules.tell(row, run, status, result)
  local order = cmsgpack.unpack(row.scheduled)
  messages.send(order.partition, { kind = 'scheduled_end', schedule = row.schedule, generation = order.generation,
    run = run, status = status, result = order.keep and status == 'completed' and result or '' })
end

function schedules.take_end(m)
  if redis.call('HGET', key.schedule(m.schedule), 'generation') ~= m.generation then return end
  local ends = key.schedule_ends(m.schedule)
  redis.call('RPUSH', ends, m.run .. ' ' .. m.status .. ' ' .. clock.now .. '\n' .. m.result)
  redis.call('LTRIM', ends, -1000, -1)
  local due = redis.call('ZSCORE', key.schedules_due(), m.schedule)
  if not due or tonumber(due) > clock.now then schedules.set_due(m.schedule, clock.now) end
end
