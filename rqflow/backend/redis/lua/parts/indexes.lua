-- indexes: sorted sets of instance ids for listing: by creation order, unique in the partition; the closed ones by
-- closing order; and all of them by id.

function indexes.add(instance, row, attributes)
  redis.call('ZADD', key.created(), row.order, instance)
  redis.call('ZADD', key.ids(), 0, instance)
  redis.call('ZADD', key.status(row.status), row.order, instance)
  redis.call('ZADD', key.workflow(row.workflow), row.order, instance)
  redis.call('ZADD', key.queue(row.queue), row.order, instance)
  if row.parent and row.parent ~= '' then redis.call('ZADD', key.parent(row.parent), row.order, instance) end
  for name, value in pairs(attributes) do
    redis.call('ZADD', key.attribute(name .. '=' .. value), row.order, instance)
  end
end

function indexes.remove(instance, row, attributes)
  redis.call('ZREM', key.created(), instance)
  redis.call('ZREM', key.ids(), instance)
  redis.call('ZREM', key.closed(), instance)
  redis.call('ZREM', key.status(row.status), instance)
  redis.call('ZREM', key.workflow(row.workflow), instance)
  redis.call('ZREM', key.queue(row.queue), instance)
  if row.parent and row.parent ~= '' then redis.call('ZREM', key.parent(row.parent), instance) end
  for name, value in pairs(attributes) do
    redis.call('ZREM', key.attribute(name .. '=' .. value), instance)
  end
end

-- The row's new status, in its index only; row.status follows.
function indexes.move(instance, row, status)
  redis.call('ZADD', key.status(status), row.order, instance)
  redis.call('ZREM', key.status(row.status), instance)
  row.status = status
end

function indexes.unpack(packed)
  if packed and packed ~= '' then return cmsgpack.unpack(packed) end
  return {}
end

-- One attribute's change in the indexes; nil: it has no value.
function indexes.attribute(instance, row, name, old, value)
  if old == value then return end
  if value then redis.call('ZADD', key.attribute(name .. '=' .. value), row.order, instance) end
  if old then redis.call('ZREM', key.attribute(name .. '=' .. old), instance) end
end

-- The next run may be of another workflow, and on another queue, under the same id.
function indexes.rename(instance, row, workflow, queue)
  if workflow ~= row.workflow then
    redis.call('ZADD', key.workflow(workflow), row.order, instance)
    redis.call('ZREM', key.workflow(row.workflow), instance)
  end
  if queue ~= row.queue then
    redis.call('ZADD', key.queue(queue), row.order, instance)
    redis.call('ZREM', key.queue(row.queue), instance)
  end
  row.workflow, row.queue = workflow, queue
end
