-- @include bulk
-- indexes: sorted sets of instance ids for listing: by creation order, unique in the partition; the closed ones by
-- closing order; and all of them by id.

function indexes.add(instance, row, attributes)
  bulk.add(key.created(), row.order, instance)
  bulk.add(key.ids(), '0', instance)
  bulk.add(key.status(row.status), row.order, instance)
  bulk.add(key.workflow(row.workflow), row.order, instance)
  bulk.add(key.queue(row.queue), row.order, instance)
  if row.parent and row.parent ~= '' then bulk.add(key.parent(row.parent), row.order, instance) end
  for name, value in pairs(attributes) do
    bulk.add(key.attribute(name .. '=' .. value), row.order, instance)
  end
end

function indexes.remove(instance, row, attributes)
  bulk.drop(key.created(), instance)
  bulk.drop(key.ids(), instance)
  bulk.drop(key.closed(), instance)
  bulk.drop(key.status(row.status), instance)
  bulk.drop(key.workflow(row.workflow), instance)
  bulk.drop(key.queue(row.queue), instance)
  if row.parent and row.parent ~= '' then bulk.drop(key.parent(row.parent), instance) end
  for name, value in pairs(attributes) do
    bulk.drop(key.attribute(name .. '=' .. value), instance)
  end
end

-- The row's new status, in its index only; row.status follows.
function indexes.move(instance, row, status)
  bulk.add(key.status(status), row.order, instance)
  bulk.drop(key.status(row.status), instance)
  row.status = status
end

function indexes.unpack(packed)
  if packed and packed ~= '' then return cmsgpack.unpack(packed) end
  return {}
end

-- One attribute's change in the indexes; nil: it has no value.
function indexes.attribute(instance, row, name, old, value)
  if old == value then return end
  if value then bulk.add(key.attribute(name .. '=' .. value), row.order, instance) end
  if old then bulk.drop(key.attribute(name .. '=' .. old), instance) end
end

-- The next run may be of another workflow, and on another queue, under the same id.
function indexes.rename(instance, row, workflow, queue)
  if workflow ~= row.workflow then
    bulk.add(key.workflow(workflow), row.order, instance)
    bulk.drop(key.workflow(row.workflow), instance)
  end
  if queue ~= row.queue then
    bulk.add(key.queue(queue), row.order, instance)
    bulk.drop(key.queue(row.queue), instance)
  end
  row.workflow, row.queue = workflow, queue
end
