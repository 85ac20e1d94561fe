-- @include clock
-- @include messages
-- @include rows
-- schedules: when each is due, what they start, and how they learn of its end.

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

-- Whether nothing is to be started, because an instance has the id: another one that is open, or this very one. A
-- repeated start is the same start; if it has ended meanwhile, that is told again.
function schedules.settled(start, row, closed)
  if row.first ~= start.run then
    if closed then return false end
    schedules.tell(start, start.run, 'refused', '')
  elseif closed then
    schedules.tell(start, start.run, row.status, redis.call('HGET', key.instance(start.instance), 'result') or '')
  end
  return true
end

-- A schedule asks after what it started long ago. The start came before the question, and the end goes before the
-- answer: if there is no such run, a failover has lost it, or its end.
function schedules.look_after(m)
  local row = rows.live(m.instance)
  rows.kin(m.instance, row)
  if row.first ~= m.run or (row.scheduled or '') == '' then
    local order = { generation = m.generation, partition = m.partition }
    schedules.tell({ schedule = m.schedule, scheduled = cmsgpack.pack(order) }, m.run, 'lost', '')
  elseif rows.closed(row) then
    schedules.tell(row, m.run, row.status, redis.call('HGET', key.instance(m.instance), 'result') or '')
  end
end

function schedules.take(m)
  if m.kind == 'scheduled_check' then return schedules.look_after(m) end
  if redis.call('HGET', key.schedule(m.schedule), 'generation') ~= m.generation then return end
  local ends = key.schedule_ends(m.schedule)
  redis.call('RPUSH', ends, m.run .. ' ' .. m.status .. ' ' .. clock.stamp .. '\n' .. m.result)
  redis.call('LTRIM', ends, -1000, -1)
  local due = redis.call('ZSCORE', key.schedules_due(), m.schedule)
  if not due or tonumber(due) > clock.now then schedules.set_due(m.schedule, clock.now) end
end
