-- @include clock
-- new_rows: the row of an instance that begins.

-- Fields that a new row has if there is something to say.
local OPTIONAL = { 'begun', 'priority', 'lane', 'custom', 'attributes', 'start_ms', 'timeout_ms', 'deadline_ms',
  'parent', 'parent_run', 'parent_command', 'parent_partition', 'schedule', 'slot_ms', 'scheduled', 'reason' }

-- What is read at each turn comes first: Redis looks for a field of a small hash from its begin.
function new_rows.create(s)
  local fields = { 'run', s.run, 'status', s.status, 'task', s.task or '', 'sticky', '', 'queue', s.queue,
    'workflow', s.workflow, 'length', '0', 'bytes', '0', 'order', s.order, 'first', s.run,
    'retention_ms', s.retention_ms, 'created_ms', clock.stamp, 'runs', '1' }
  local size = #fields
  for i = 1, #OPTIONAL do
    local value = s[OPTIONAL[i]]
    if value and value ~= '' then
      fields[size + 1], fields[size + 2] = OPTIONAL[i], value
      size = size + 2
    end
  end
  redis.call('HSET', key.instance(s.instance), unpack(fields))
end
