-- rows: the hash of an instance.

-- Those fields of a row, as a table; missing ones are nil. A row without status does not exist.
function rows.read(instance, ...)
  local names, values, row = { ... }, redis.call('HMGET', key.instance(instance), ...), {}
  for i = 1, #names do row[names[i]] = values[i] or nil end
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
  local more = rows.read(instance, 'order', 'first', 'retention_ms', 'deadline_ms', 'parent', 'schedule')
  for name, value in pairs(more) do row[name] = value end
  return row
end

-- Light and complete, in one look.
function rows.live(instance)
  local values = redis.call('HMGET', key.instance(instance), 'run', 'status', 'task', 'sticky', 'queue', 'workflow',
    'length', 'bytes', 'order', 'first', 'retention_ms', 'deadline_ms', 'parent', 'schedule')
  return { run = values[1] or nil, status = values[2] or nil, task = values[3] or nil, sticky = values[4] or nil,
    queue = values[5] or nil, workflow = values[6] or nil, length = values[7] or nil, bytes = values[8] or nil,
    order = values[9] or nil, first = values[10] or nil, retention_ms = values[11] or nil,
    deadline_ms = values[12] or nil, parent = values[13] or nil, schedule = values[14] or nil }
end

-- What must be known of it to give it a task.
function rows.open(instance)
  local values = redis.call('HMGET', key.instance(instance), 'status', 'task', 'sticky', 'queue')
  return { status = values[1] or nil, task = values[2] or nil, sticky = values[3] or nil, queue = values[4] or nil }
end

-- And who is told of its end.
function rows.kin(instance, row)
  local kin = rows.read(instance, 'parent_run', 'parent_command', 'parent_partition', 'scheduled')
  for name, value in pairs(kin) do row[name] = value end
end
