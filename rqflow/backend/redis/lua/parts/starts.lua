-- @include clock
-- @include due
-- @include indexes
-- @include inbox
-- @include lifecycle
-- @include new_rows
-- @include rows
-- @include tasks
-- starts: the beginning of an instance.

-- Create an instance that does not exist (any more). `s` has the row's fields, and: started, start_ms (nil: now),
-- attributes (a table). Its first write may be refused for lack of memory, and then nothing has happened.
function starts.create(s)
  s.status = s.start_ms and 'pending' or 'running'
  s.first, s.length, s.bytes = s.run, 0, 0
  local started, attributes = s.started, s.attributes
  s.started, s.attributes = nil, next(attributes) and cmsgpack.pack(attributes) or nil
  redis.call('RPUSH', key.inbox(s.instance), clock.stamp .. ' r ' .. started)
  s.order = clock.next('order')
  if s.start_ms then
    due.add(s.start_ms, 'start', 0, s.run, s.instance)
  else
    starts.arm(s.instance, s)
    s.begun, s.task = '1', tasks.add(s.instance, s)
  end
  new_rows.create(s)
  tasks.know('w:' .. s.queue)
  indexes.add(s.instance, s, attributes)
  lifecycle.event(s.start_ms and 'pending' or 'started', s.instance, s)
end

-- The deadline of the run that begins now.
function starts.arm(instance, row)
  local timeout = tonumber(row.timeout_ms)
  if not timeout then return end
  row.deadline_ms = clock.now + timeout
  due.add(row.deadline_ms, 'deadline', 0, row.run, instance)
end

-- A delayed instance's time has come, or someone will not wait for it.
function starts.begin(instance, row)
  local first = redis.call('LINDEX', key.inbox(instance), 0)
  redis.call('LSET', key.inbox(instance), 0, clock.stamp .. string.sub(first, string.find(first, ' ', 1, true), -1))
  due.remove('start', 0, row.run, instance)
  row.timeout_ms = redis.call('HGET', key.instance(instance), 'timeout_ms')
  starts.arm(instance, row)
  indexes.move(instance, row, 'running')
  redis.call('HSET', key.instance(instance), 'status', 'running', 'begun', 1, 'deadline_ms', row.deadline_ms or '')
  lifecycle.event('started', instance, row)
  lifecycle.notify(instance)
  tasks.wake(instance, row)
end

-- An ended instance makes room for a new one of its id; its history stays until its retention passes.
function starts.replace(instance, old)
  local kept = rows.read(instance, 'attributes', 'requests', 'retention_ms')
  -- A write that memory may refuse comes first.
  starts.retire(instance, old.run, kept.retention_ms)
  indexes.remove(instance, old, indexes.unpack(kept.attributes))
  due.remove('retention', 0, old.run, instance)
  redis.call('UNLINK', key.instance(instance))
  -- A late repeat of the start that made the old one must not start a third.
  redis.call('HSET', key.instance(instance), 'requests', kept.requests or 0)
  inbox.remember(instance, 'start ' .. old.first)
end

-- A run that will not be current any more: its history is kept for a while.
function starts.retire(instance, run, retention_ms)
  redis.call('RPUSH', key.runs(instance), run)
  redis.call('LTRIM', key.runs(instance), -100, -1)
  redis.call('PEXPIRE', key.history(run), retention_ms)
  redis.call('PEXPIRE', key.answers(run), retention_ms)
end
