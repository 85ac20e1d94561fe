-- @include activities
-- @include clock
-- @include due
-- @include rows
-- @include tasks
-- @include unknowns
-- returns: tasks that come back unfinished.

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
  if unknown ~= '' then unknowns.note(row.queue, { 'w', unknown, instance, '0', row.length }, delay_ms) end
  return true
end

-- The same attempt of an activity, later or at once. True unless another holds it.
function returns.activity(instance, run, id, token, delay_ms, unknown)
  local record = activities.held(run, id, token)
  if not record then return false end
  activities.again(instance, run, id, record, delay_ms)
  if unknown ~= '' then unknowns.note(record[7], { 'a', unknown, instance, id, run }, delay_ms) end
  return true
end
