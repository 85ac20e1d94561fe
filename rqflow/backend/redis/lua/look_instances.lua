-- look_instances: what is wrong with instances, each seen at one moment, and their events for a closer look.
-- ARGV  instances  list
-- Returns {findings, claims, {instance, run, runs, status, length, bytes, history or nothing, inbox, cursors into what
--          is outstanding and into its children} of each that is there, how many were looked at: up to about 1 MiB}.
-- @include claims
-- @include findings
-- @include pages
-- @include row_looks
-- @include rows
-- @include task_looks
-- @include wait_looks
-- @include child_looks

local size, looked, seen = 0, 0, {}

-- The events, if they are few; how many there should be is in the row.
local function history(instance, row)
  local name, length, bytes = key.history(row.run), tonumber(row.length), tonumber(row.bytes)
  local count = redis.call('LLEN', name)
  if count ~= length then findings.add('history_length', name, instance, count .. ', not ' .. length) end
  if count > 0 and redis.call('PTTL', name) >= 0 then findings.add('history_ends', name, instance) end
  if length > 1000 or bytes > 1048576 then return false end
  size = size + bytes
  return redis.call('LRANGE', name, 0, -1)
end

local function look(instance)
  local row = rows.read(instance, 'run', 'first', 'workflow', 'queue', 'status', 'order', 'start_ms', 'deadline_ms',
    'retention_ms', 'closed_ms', 'closed_order', 'parent', 'parent_run', 'parent_partition', 'attributes', 'runs',
    'length', 'bytes', 'task')
  if not row.status then return end
  row_looks.indexes(instance, row)
  row_looks.due(instance, row)
  task_looks.check(instance, row)
  local waits, children = wait_looks.page(instance, row.run, '0'), child_looks.page(instance, '0')
  if (row.parent or '') ~= '' and not rows.closed(row) then
    claims.check('parent', instance, row.first, row.parent, row.parent_run, row.parent_partition)
  end
  local news = pages.inbox(instance)
  for _, event in ipairs(news) do size = size + #event end
  seen[#seen + 1] = { instance, row.run, row.runs, row.status, row.length, row.bytes, history(instance, row), news,
    waits, children }
end

for _, instance in ipairs(instances) do
  if size > 1048576 then break end
  findings.of(key.instance(instance), instance, look, instance)
  looked = looked + 1
end
return { findings.list, claims.open, seen, looked }
