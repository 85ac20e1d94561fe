-- @include clock
-- @include indexes
-- @include lifecycle
-- @include rows
-- @include starts
-- @include tasks
-- stalls: instances that some code could not follow.

function stalls.set(instance, row, reason, build)
  redis.call('HSET', key.instance(instance), 'status', 'stalled', 'reason', reason, 'stalled_build', build,
    'task', '', 'sticky', '')
  indexes.move(instance, row, 'stalled')
  tasks.drop(instance, row)
  lifecycle.event('stalled', instance, row, '', reason)
  lifecycle.notify(instance)
end

-- It may run (again).
function stalls.resume(instance, row, reason)
  redis.call('HSET', key.instance(instance), 'status', 'running', 'reason', reason, 'stalled_build', '', 'losses', 0)
  -- It was suspended before its time had come.
  if not rows.read(instance, 'begun').begun then return starts.begin(instance, row) end
  indexes.move(instance, row, 'running')
  lifecycle.event('resumed', instance, row)
  lifecycle.notify(instance)
  -- With news or without: local activities of a turn that was not finished may have to be begun again.
  tasks.wake(instance, row)
end

-- Ask workers of another build to try: a bounded look at the stalled instances after `cursor` (a creation order).
-- Returns the next cursor, and how many it revived.
function stalls.retry(queues, build, cursor, limit)
  local found = redis.call('ZRANGEBYSCORE', key.status('stalled'), cursor, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  local revived = 0
  for i = 1, #found, 2 do
    local row = rows.live(found[i])
    local tried = redis.call('HGET', key.instance(found[i]), 'stalled_build')
    if queues[row.queue] and tried ~= build then
      stalls.resume(found[i], row, '')
      revived = revived + 1
    end
  end
  return #found == 2 * limit and found[#found] or '-inf', revived
end
