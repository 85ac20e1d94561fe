-- @include clock
-- @include ends
-- @include inbox
-- @include news
-- @include removal
-- @include rows
-- @include starts
-- @include tasks
-- @include activity_times
-- firing: what each kind of due member does when its time has come, if its run still waits for it.

local kinds = {}

function firing.fire(member)
  local kind, number, run, instance = string.match(member, '^(%l+) (%d+) (%S+) (.+)$')
  local fire = kinds[kind] or activity_times[kind]
  fire(instance, run, number)
end

function firing.current(instance, run)
  local row = rows.light(instance)
  return row.run == run and not rows.closed(row) and row or nil
end

function kinds.timer(instance, run, id)
  local row = firing.current(instance, run)
  if row and redis.call('HDEL', key.outstanding(run), 't:' .. id) == 1 then
    inbox.push(instance, row, 'r', news.timer_fired(id))
  end
end

function kinds.start(instance, run)
  local row = firing.current(instance, run)
  if row and row.status == 'pending' then starts.begin(instance, rows.complete(instance, row)) end
end

function kinds.wait(instance, run)
  local row = firing.current(instance, run)
  if not row or row.task ~= 'waiting' then return end
  row.task = row.status == 'running' and tasks.add(instance, row) or ''
  redis.call('HSET', key.instance(instance), 'task', row.task)
end

function kinds.deadline(instance, run)
  local row = firing.current(instance, run)
  if row then
    ends.close(instance, rows.complete(instance, row), { status = 'timed_out', body = news.timed_out(),
      result = news.failure('WorkflowTimedOut', 'the run passed its deadline', 'timeout') })
  end
end

function kinds.retention(instance, run)
  local row = rows.live(instance)
  if row.run == run and rows.closed(row) then removal.all(instance, row) end
end
