-- look_index: a page of an index: who stands in it and should not.
-- ARGV  kind      string  created, ids, closed, status, workflow, queue, parent, attribute, schedules, schedules_due
--       argument  string  which of them, if there are many
--       cursor    string
-- Returns {findings, cursor of the next page}.
-- @include findings
-- @include indexes
-- @include rows

local names = { created = key.created(), ids = key.ids(), closed = key.closed(), status = key.status(argument),
  workflow = key.workflow(argument), queue = key.queue(argument), parent = key.parent(argument),
  attribute = key.attribute(argument), schedules = key.schedules(), schedules_due = key.schedules_due() }

local function belongs(instance)
  if kind == 'schedules' or kind == 'schedules_due' then return redis.call('EXISTS', key.schedule(instance)) == 1 end
  local row = rows.read(instance, 'status', 'workflow', 'queue', 'parent', 'attributes')
  if not row.status then return false end
  if kind == 'created' or kind == 'ids' then return true end
  if kind == 'closed' then return rows.closed(row) end
  if kind ~= 'attribute' then return row[kind] == argument end
  for name, value in pairs(indexes.unpack(row.attributes)) do
    if name .. '=' .. value == argument then return true end
  end
  return false
end

local found = redis.call('ZSCAN', names[kind], cursor, 'COUNT', 200)
for i = 1, #found[2], 2 do
  local instance = found[2][i]
  if findings.of(names[kind], instance, belongs, instance) == false then
    findings.add('index_extra', names[kind], instance)
  end
end
return { findings.list, found[1] }
