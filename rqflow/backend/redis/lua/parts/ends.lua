-- @include activities
-- @include bulk
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

-- All that a run waits for is waited for no more. Beyond a thousand activities their entries are left where they are,
-- for Take to find that nobody wants them: one end must not hold Redis up for long.
function ends.release(instance, run)
  local found = redis.call('HGETALL', key.outstanding(run))
  if #found == 0 then return end
  local members, told = {}, 0
  for i = 1, #found, 2 do
    local kind, id = string.sub(found[i], 1, 1), string.sub(found[i], 3)
    if kind == 'a' and told < 1000 then
      told = told + 1
      notices.cancel(instance, run, id, cmsgpack.unpack(found[i + 1]))
    elseif kind == 'a' then
      for _, time in ipairs({ 'retry', 'queued', 'total' }) do
        members[#members + 1] = due.member(time, id, run, instance)
      end
    elseif kind == 't' then
      members[#members + 1] = due.member('timer', id, run, instance)
    end
  end
  if #members > 0 then bulk.settle(key.due()) end
  for first = 1, #members, 500 do
    redis.call('ZREM', key.due(), unpack(members, first, math.min(first + 499, #members)))
  end
  redis.call('UNLINK', key.outstanding(run), key.attempts(run))
end

-- Append an end that the store itself decided on; before it the start, if no turn has seen that: it stays known.
local function record(instance, row, body)
  local first = tonumber(row.length or 0) == 0 and redis.call('LINDEX', key.inbox(instance), 0) or nil
  local events = { first or clock.stamp .. ' r ' .. body, first and clock.stamp .. ' r ' .. body }
  redis.call('RPUSH', key.history(row.run), unpack(events))
  for _, event in ipairs(events) do
    row.length, row.bytes = (row.length or 0) + 1, (row.bytes or 0) + #event
  end
end

-- The instance has ended. `row` is from rows.live and is brought up to date; `how` has: status, result, and perhaps
-- reason, body (the event to record), recursive, and fields to save with the end. What it must tell others is told when messages are flushed.
function ends.close(instance, row, how)
  local before = row.status
  if how.body then record(instance, row, how.body) end
  local closed_order = clock.next('closed')
  tasks.drop(instance, row)
  if before == 'pending' then due.remove('start', '0', row.run, instance) end
  if row.deadline_ms then due.remove('deadline', '0', row.run, instance) end
  ends.release(instance, row.run)
  indexes.move(instance, row, how.status)
  row.task = ''
  redis.call('HSET', key.instance(instance), 'status', row.status, 'closed_ms', clock.stamp, 'task', '', 'sticky', '',
    'closed_order', closed_order, 'result', how.result, 'reason', how.reason or '',
    'length', row.length or 0, 'bytes', row.bytes or 0, unpack(how.fields or {}))
  bulk.add(key.closed(), closed_order, instance)
  if row.news ~= false then redis.call('DEL', key.inbox(instance)) end
  due.add(clock.now + row.retention_ms, 'retention', '0', row.run, instance)
  lifecycle.event(row.status, instance, row)
  lifecycle.ended(instance, row, how.result)
  family.tell(instance, row, how)
end

-- Ended from outside: the code is not asked.
function ends.terminate(instance, row, reason, recursive)
  ends.close(instance, row, { status = 'terminated', reason = reason, recursive = recursive,
    result = news.failure('WorkflowTerminated', reason, 'terminated'), body = news.terminated(reason) })
end
