-- rows: reading the hash of an instance.

-- Those fields of a row, as a table; missing ones are nil. A row without status does not exist.
function rows.read(instance, ...)
  local values = redis.call('HMGET', key.instance(instance), ...)
  local row = {}
  for i = 1, #values do
    row[select(i, ...)] = values[i] or nil
  end
  return row
end

-- True if it exists and has ended.
function rows.closed(row)
  local status = row.status
  return status ~= nil and status ~= 'running' and status ~= 'pending' and status ~= 'suspended' and status ~= 'stalled'
end

-- What must be known of an instance to put news into its inbox, or to end its turn.
function rows.light(instance)
  local values = redis.call('HMGET', key.instance(instance), 'run', 'status', 'task', 'sticky', 'queue', 'workflow',
    'length', 'bytes')
  return { run = values[1] or nil, status = values[2] or nil, task = values[3] or nil, sticky = values[4] or nil,
    queue = values[5] or nil, workflow = values[6] or nil, length = values[7] or nil, bytes = values[8] or nil }
end

-- What must be known of it besides, to end it and to do what is rare.
function rows.complete(instance, row)
  if row.order then return row end
  local more = rows.read(instance, 'order', 'first', 'begun', 'timeout_ms', 'deadline_ms', 'retention_ms', 'losses', 'trial',
    'parent', 'parent_run', 'parent_command', 'parent_partition', 'schedule', 'scheduled')
  for name, value in pairs(more) do row[name] = value end
  return row
end

function rows.live(instance)
  return rows.complete(instance, rows.light(instance))
end
