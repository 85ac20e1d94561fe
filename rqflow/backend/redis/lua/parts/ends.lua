-- @include activities
-- @include clock
-- @include due
-- @include indexes
-- @include lifecycle
-- @include family
-- @include news
-- @include notices
-- @include rows
-- @include starts
-- @include tasks
-- ends: the end of a run, and of its instance.

-- All that a run waits for is waited for no more. Its due members go in one command for each 200.
function ends.release(instance, run)
  local found = redis.call('HGETALL', key.outstanding(run))
  local timers = {}
  for i = 1, #found, 2 do
    local kind, id = string.sub(found[i], 1, 1), string.sub(found[i], 3)
    if kind == 'a' then
      notices.cancel(instance, run, id, cmsgpack.unpack(found[i + 1]))
    elseif kind == 't' then
      timers[#timers + 1] = due.member('timer', id, run, instance)
    end
    if #timers == 200 or (i + 2 > #found and #timers > 0) then
      redis.call('ZREM', key.due(), unpack(timers))
      timers = {}
    end
  end
  if #found > 0 then redis.call('UNLINK', key.outstanding(run), key.attempts(run)) end
end

-- Append an end that the store itself decided on.
function ends.record(run, row, body)
  local stored = clock.now .. ' r ' .. body
  redis.call('RPUSH', key.history(run), stored)
  row.length = (row.length or 0) + 1
  row.bytes = (row.bytes or 0) + #stored
end

-- The instance has ended. `row` is from rows.live and is brought up to date; `how` has: status, result, and perhaps
-- reason, body (the event to record) and recursive. What it must tell others is told when messages are flushed.
function ends.close(instance, row, how)
  local before = row.status
  local closed_order = clock.next('closed')
  if how.body then ends.record(row.run, row, how.body) end
  tasks.drop(instance, row)
  if before == 'pending' then due.remove('start', 0, row.run, instance) end
  if row.deadline_ms then due.remove('deadline', 0, row.run, instance) end
  ends.release(instance, row.run)
  indexes.move(instance, row, how.status)
  row.task = ''
  redis.call('HSET', key.instance(instance), 'status', row.status, 'closed_ms', clock.now, 'task', '', 'sticky', '',
    'closed_order', closed_order, 'result', how.result, 'reason', how.reason or '',
    'length', row.length or 0, 'bytes', row.bytes or 0)
  redis.call('ZADD', key.closed(), closed_order, instance)
  redis.call('DEL', key.inbox(instance))
  due.add(clock.now + row.retention_ms, 'retention', 0, row.run, instance)
  lifecycle.event(row.status, instance, row)
  lifecycle.notify(instance)
  family.tell(instance, row, how)
end

-- Ended from outside: the code is not asked.
function ends.terminate(instance, row, reason, recursive)
  ends.close(instance, row, { status = 'terminated', reason = reason, recursive = recursive,
    result = news.failure('WorkflowTerminated', reason, 'terminated'), body = news.terminated(reason) })
end
