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

local closed_statuses = { completed = true, failed = true, canceled = true, terminated = true, timed_out = true }

function rows.closed(row)
  return closed_statuses[row.status] == true
end

-- What must be known of an instance to put news into its inbox or to end it.
function rows.live(instance)
  return rows.read(instance, 'run', 'status', 'task', 'sticky', 'queue', 'workflow', 'order', 'first', 'begun',
    'timeout_ms', 'deadline_ms', 'retention_ms', 'length', 'bytes', 'priority', 'losses',
    'parent', 'parent_run', 'parent_command', 'parent_partition')
end
