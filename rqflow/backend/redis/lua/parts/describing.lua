-- describing: an instance's row as a reply, with where its task is.
-- @include indexes
-- @include tasks

-- The order in which Python reads them (reads.py).
local fields = { 'run', 'workflow', 'status', 'queue', 'created_ms', 'closed_ms', 'start_ms', 'deadline_ms', 'parent',
  'schedule', 'slot_ms', 'custom', 'reason', 'cancel_requested', 'runs', 'length', 'bytes', 'build', 'priority', 'lane', 'order', 'result',
  'task', 'sticky', 'attributes' }

-- A task's state and its worker. A token's entry is leased while it stands in the stream's pending list.
local function whereabouts(token, sticky)
  if not token or token == '' or token == 'waiting' then return token or '', sticky or '' end
  local owner = tasks.owner(tasks.place(token))
  return owner and 'leased' or 'queued', owner or sticky or ''
end

-- {fields, task, worker, length of the inbox, attributes as names and JSON values in turn}, bytes; nil: no such row.
function describing.row(instance)
  local values = redis.call('HMGET', key.instance(instance), unpack(fields))
  if not values[3] then return nil, 0 end
  local count = #fields
  local task, worker = whereabouts(values[count - 2], values[count - 1])
  local attributes, size = {}, #instance
  for name, value in pairs(indexes.unpack(values[count])) do
    attributes[#attributes + 1] = name
    attributes[#attributes + 1] = value
  end
  for place = 1, count - 3 do
    values[place] = values[place] or ''
    size = size + #values[place]
  end
  for place = count - 2, count do values[place] = nil end
  return { instance, values, task, worker, redis.call('LLEN', key.inbox(instance)), attributes }, size
end
