-- @include clock
-- @include due
-- @include ends
-- @include indexes
-- @include lifecycle
-- @include starts
-- @include tasks
-- continuing: from one run of an instance to the next.

-- The run ends and the next one of the instance begins: its inbox is the new beginning, what the old code had not
-- used, and then all for the instance that came meanwhile (P8). News for the old run's commands go.
function continuing.begin(instance, row, next_run, carried, fields)
  local inbox, old = key.inbox(instance), row.run
  local left = redis.call('LLEN', inbox)
  redis.call('RPUSH', inbox, clock.stamp .. ' r ' .. next_run.started)
  row.news = true
  for _, event in ipairs(carried) do redis.call('RPUSH', inbox, clock.stamp .. ' i ' .. event) end
  for _ = 1, left do
    local event = redis.call('LPOP', inbox)
    if string.match(event, '^%d+ (%l)') == 'i' then redis.call('RPUSH', inbox, event) end
  end
  ends.release(instance, old)
  if row.deadline_ms then due.remove('deadline', 0, old, instance) end
  local answered = redis.call('HLEN', key.answers(old))
  if answered > 0 and answered <= 1000 then redis.call('RENAME', key.answers(old), key.answers(next_run.run)) end
  starts.retire(instance, old, row.retention_ms)
  indexes.rename(instance, row, next_run.workflow, next_run.queue)
  row.run, row.length, row.bytes, row.deadline_ms, row.timeout_ms = next_run.run, 0, 0, nil, next_run.timeout_ms
  starts.arm(instance, row)
  redis.call('HSET', key.instance(instance), 'run', row.run, 'workflow', row.workflow, 'queue', row.queue,
    'length', 0, 'bytes', 0, 'deadline_ms', row.deadline_ms or '', 'timeout_ms', row.timeout_ms, 'task', '',
    'sticky', row.sticky, unpack(fields))
  redis.call('HINCRBY', key.instance(instance), 'runs', 1)
  tasks.know('w:' .. row.queue)
  lifecycle.event('continued', instance, row)
end
