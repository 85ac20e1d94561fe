-- @include activities
-- @include backoffs
-- @include clock
-- @include due
-- @include knowers
-- @include rows
-- @include tasks
-- @include unknowns
-- returns: tasks that come back unfinished.

local full_ms = 1000 -- after which an activity is there for all that was offered to one which had no room yet

-- The instance's turn is anyone's again; if its worker does not know it, one's that does. True unless another holds it.
function returns.workflow(instance, run, token, delay_ms, unknown)
  local row = rows.live(instance)
  if row.run ~= run or row.task ~= token then return false end
  row.sticky, row.task = '', ''
  local stream, entry = tasks.place(token)
  local note = { 'w', unknown, instance, '0', row.length }
  local knower = unknown ~= ''
    and knowers.one('workflows', 'workflow_queues', unknown, row.queue, tasks.owner(stream, entry), instance)
  if knower then row.sticky, delay_ms = knower, 0 end
  local task = ''
  if row.status == 'running' and delay_ms > 0 then
    due.add(clock.now + delay_ms, 'wait', 0, run, instance)
    task = 'waiting'
  elseif row.status == 'running' then
    task = tasks.add(instance, row)
  end
  redis.call('HSET', key.instance(instance), 'task', task, 'sticky', row.sticky)
  tasks.remove(stream, entry)
  if knower then
    unknowns.forget(row.queue, note)
  elseif unknown ~= '' then
    unknowns.note(row.queue, note, delay_ms)
  elseif delay_ms > 0 then
    -- Whoever took it knew it: it does not wait for one that does.
    unknowns.forget(row.queue, { 'w', row.workflow, instance, '0', row.length })
  end
  return true
end

-- The same attempt of an activity, later or at once. True unless another holds it.
function returns.activity(instance, run, id, token, delay_ms, unknown)
  local record = activities.held(run, id, token)
  if not record then return false end
  local note = { 'a', unknown, instance, id, run, record[3] }
  local holder = tasks.owner(key.activities(record[7]), record[2])
  local knower = unknown ~= ''
    and knowers.one('activities', 'activity_queues', unknown, record[7], holder, run .. id)
  backoffs.begin(instance, run, id, record, knower and full_ms or delay_ms)
  if knower then
    unknowns.forget(record[7], note)
    backoffs.offer(knower, instance, run, id, record[3])
  elseif unknown ~= '' then
    unknowns.note(record[7], note, delay_ms)
  elseif delay_ms > 0 then
    unknowns.forget(record[7], { 'a', record[8], instance, id, run, record[3] })
  end
  return true
end
