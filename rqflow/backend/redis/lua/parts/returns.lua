-- @include activities
-- @include clock
-- @include due
-- @include rows
-- @include tasks
-- returns: tasks that come back unfinished.

-- Show that a task waits for a worker that knows its name, until somewhat after it is handed out again.
local function note_unknown(queue, kind, name, instance, id, delay_ms)
  if name == '' then return end
  local noted, ends = key.unknown(queue), clock.now + delay_ms + 60000
  redis.call('ZADD', noted, ends, cmsgpack.pack({ kind, name, instance, id }))
  redis.call('ZREMRANGEBYSCORE', noted, '-inf', clock.now)
  redis.call('ZREMRANGEBYRANK', noted, 0, -1001)
  redis.call('PEXPIREAT', noted, ends)
end

-- The instance's turn is anyone's again. True unless another holds it.
function returns.workflow(instance, run, token, delay_ms, unknown)
  local row = rows.live(instance)
  if row.run ~= run or row.task ~= token then return false end
  row.sticky, row.task = '', ''
  local task = ''
  if row.status == 'running' and delay_ms > 0 then
    due.add(clock.now + delay_ms, 'wait', 0, run, instance)
    task = 'waiting'
  elseif row.status == 'running' then
    task = tasks.add(instance, row)
  end
  redis.call('HSET', key.instance(instance), 'task', task, 'sticky', '')
  tasks.remove(tasks.place(token))
  note_unknown(row.queue, 'w', unknown, instance, '0', delay_ms)
  return true
end

-- The same attempt of an activity, later or at once. True unless another holds it.
function returns.activity(instance, run, id, token, delay_ms, unknown)
  local record = activities.held(run, id, token)
  if not record then return false end
  activities.again(instance, run, id, record, delay_ms)
  note_unknown(record[7], 'a', unknown, instance, id, delay_ms)
  return true
end
