-- @include activities
-- @include clock
-- @include due
-- @include family
-- @include messages
-- @include notices
-- orders: carrying out the commands of a turn.

-- A refusal if the run would wait for too much.
function orders.room(run, limits, more)
  local limit = tonumber(limits.outstanding)
  if more > 0 and redis.call('HLEN', key.outstanding(run)) + more > limit then
    return { 'err', 'limit', 'activities, timers and children that run ' .. run .. ' waits for', limit,
      'start fewer at a time' }
  end
end

function orders.activities(instance, row, wanted)
  local seen = {}
  for _, a in ipairs(wanted) do
    local total = tonumber(a.total_ms)
    local record = { '', '', 1, 0, tonumber(a.start_ms), total >= 0 and 1 or 0, a.queue, a.name }
    if total >= 0 then due.add(clock.now + total, 'total', a.id, row.run, instance) end
    activities.queue(instance, row.run, a.id, record, { 'kind', 'activity', 'instance', instance, 'run', row.run,
      'id', a.id, 'name', a.name, 'payload', a.payload, 'attempt', 1, 'losses', 0, 'options', a.options,
      'scheduled_ms', clock.now, 'workflow', row.workflow, 'priority', a.priority, 'lane', a.lane })
    if not seen[a.queue] then redis.call('SADD', key.queues(), 'a:' .. a.queue) end
    seen[a.queue] = true
  end
end

function orders.timers(instance, row, wanted)
  for _, timer in ipairs(wanted) do
    local at = clock.now + timer.delay_ms
    due.add(at, 'timer', timer.id, row.run, instance)
    redis.call('HSET', key.outstanding(row.run), 't:' .. timer.id, at)
  end
end

function orders.cancel(instance, row, activity_ids, timer_ids)
  for _, id in ipairs(activity_ids) do
    local record = activities.read(row.run, id)
    if record then notices.cancel(instance, row.run, id, record) end
  end
  for _, id in ipairs(timer_ids) do
    due.remove('timer', id, row.run, instance)
    redis.call('HDEL', key.outstanding(row.run), 't:' .. id)
  end
end

-- A signal or a cancel request to another instance. Its number in this run makes it arrive once.
function orders.send(instance, row, send)
  redis.call('HSET', key.outstanding(row.run), 's:' .. send.id, send.instance)
  messages.send(send.to, { kind = 'signal', instance = send.instance, event = send.event, cancel = send.cancel == '1',
    request = row.run .. ':' .. send.id, sender = instance, run = row.run, id = send.id, from = partition })
end

-- What a turn tells others, in the order in which its code did; both lists are in that order.
function orders.letters(instance, row, children, sends)
  local next_child, next_send = 1, 1
  for _ = 1, #children + #sends do
    local child, send = children[next_child], sends[next_send]
    if child and (not send or tonumber(child.id) < tonumber(send.id)) then
      family.begin(instance, row, child)
      next_child = next_child + 1
    else
      orders.send(instance, row, send)
      next_send = next_send + 1
    end
  end
end
