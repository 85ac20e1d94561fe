-- @include clock
-- @include rows
-- @include tasks
-- @include starts
-- inbox: news that an instance has not seen yet. Scope 'i' is for the instance, 'r' for its current run.

function inbox.push(instance, row, scope, body)
  redis.call('RPUSH', key.inbox(instance), clock.stamp .. ' ' .. scope .. ' ' .. body)
  tasks.wake(instance, row)
end

-- A refusal if a client may put no more into this inbox.
function inbox.full(instance, limit)
  if redis.call('LLEN', key.inbox(instance)) < limit then return nil end
  return { 'err', 'limit', 'news that wait for ' .. instance, limit, 'it takes more when a worker has read some' }
end

-- True if this wish came before. The last 1,000 of an instance are remembered, in the order in which they came.
function inbox.repeated(instance, request)
  return request ~= '' and redis.call('ZSCORE', key.requests(instance), request) ~= false
end

function inbox.remember(instance, request)
  if request == '' then return end
  local count = redis.call('HINCRBY', key.instance(instance), 'requests', 1)
  redis.call('ZADD', key.requests(instance), count, request)
  if count > 1000 then redis.call('ZREMRANGEBYRANK', key.requests(instance), 0, -1001) end
end

-- A signal, an update or a cancel request for the instance, whichever run it is in.
function inbox.deliver(instance, row, event, request, cancel)
  redis.call('RPUSH', key.inbox(instance), clock.stamp .. ' i ' .. event)
  inbox.remember(instance, request)
  if cancel then
    redis.call('HSET', key.instance(instance), 'cancel_requested', 1)
    -- One that still waits for its time begins at once, so that its code can end in good order.
    if row.status == 'pending' then return starts.begin(instance, rows.complete(instance, row)) end
  end
  tasks.wake(instance, row)
end
