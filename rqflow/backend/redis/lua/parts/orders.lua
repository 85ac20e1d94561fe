-- @include activities
-- @include clock
-- @include due
-- @include notices
-- @include tasks
-- orders: carrying out the commands of a turn.

-- A refusal if the run would wait for too much, or its instance have too many children.
function orders.room(instance, run, limits, more, born)
  local limit, most = limits.outstanding, limits.children
  if born > 0 and redis.call('HLEN', key.children(instance)) + born > tonumber(most) then
    return { 'err', 'limit', 'open children of ' .. instance, most, 'let some end before starting more' }
  end
  if more > 0 and redis.call('HLEN', key.outstanding(run)) + more > tonumber(limit) then
    return { 'err', 'limit', 'activities, timers and children that run ' .. run .. ' waits for', limit,
      'start fewer at a time' }
  end
end

function orders.activities(instance, row, wanted)
  for i = 1, #wanted do
    local a = wanted[i]
    local total = tonumber(a.total_ms)
    local record = { '', '', 1, 0, tonumber(a.start_ms), total >= 0 and 1 or 0, a.queue, a.name }
    if total >= 0 then due.add(clock.now + total, 'total', a.id, row.run, instance) end
    activities.queue(instance, row.run, a.id, record, { 'kind', 'activity', 'instance', instance, 'run', row.run,
      'id', a.id, 'name', a.name, 'payload', a.payload, 'options', a.options,
      'scheduled_ms', clock.stamp, 'workflow', row.workflow, 'priority', a.priority, 'lane', a.lane })
    tasks.know('a:' .. a.queue)
  end
end

function orders.timers(instance, row, wanted)
  for i = 1, #wanted do
    local timer = wanted[i]
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
