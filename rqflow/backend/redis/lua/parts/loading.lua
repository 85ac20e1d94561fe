-- @include activities
-- @include clock
-- @include due
-- @include lifecycle
-- @include pages
-- @include rows
-- @include streams
-- @include tasks
-- loading: from a stream entry to all that a worker must know of the task. What is of no use is removed (P7).

local kinds = {}

-- Add the task of an entry to `found`. False if there is none: then the entry is gone.
function loading.load(found, stream, entry)
  local fields = streams.fields(entry)
  local done, task = true, nil
  if kinds[fields.kind] then done, task = pcall(kinds[fields.kind], stream, entry[1], fields) end
  if not done then lifecycle.broken(stream .. ' ' .. entry[1], task) end
  if not done or not task then
    tasks.remove(stream, entry[1])
    return false
  end
  found[#found + 1] = task
  return true
end

function kinds.task(stream, entry, fields)
  local instance = fields.instance
  local read = redis.call('HMGET', key.instance(instance), 'run', 'task', 'queue', 'workflow', 'length', 'bytes', 'build',
    'losses')
  local run, queue, workflow, length, bytes = read[1], read[3], read[4], tonumber(read[5]), tonumber(read[6])
  local token = tasks.token(stream, entry)
  if read[2] ~= token then return nil end
  -- There may be none: a turn that was kept (see commit) and lost, or an instance that was resumed.
  local news = pages.inbox(instance)
  -- P7: a hole in the answer would make all of it unreadable.
  if not (length and bytes and run and workflow and queue) then error('its row is spoiled') end
  -- A sticky task comes without history: its worker has the executor, or reads what it lacks.
  local shared = string.sub(stream, #prefix + 1, #prefix + 7) ~= 'worker:'
  local history = shared and length > 0 and pages.history(run, length, bytes) or {}
  return { 1, instance, run, token, workflow, queue, length, bytes, shared and 0 or length,
    tonumber(read[8] or 0) + 1, read[7] or '', history, news }
end

function kinds.query(stream, entry, fields)
  local row = rows.read(fields.instance, 'run', 'workflow', 'length', 'status')
  if not row.run or tonumber(fields.expires_ms) < clock.now then return nil end
  return { 2, fields.instance, row.run, tasks.token(stream, entry), fields.query, fields.name, fields.payload,
    row.workflow, tonumber(row.length), row.status == 'running' and pages.inbox(fields.instance) or {} }
end

function kinds.activity(stream, entry, f)
  local record = activities.read(f.run, f.id)
  if not record or record[1] ~= 'queued' or record[2] ~= entry then return nil end
  if record[5] >= 0 then due.remove('queued', f.id, f.run, f.instance) end
  local details = redis.call('HGET', key.attempts(f.run), 'h:' .. f.id) or ''
  return { 3, f.instance, f.run, tonumber(f.id), entry .. '@' .. f.id .. '@' .. f.run, f.name, record[7], f.workflow,
    f.payload, record[3], record[4], f.options, tonumber(f.scheduled_ms), details }
end

-- Wake entries that a worker without room would never read must not pile up.
function loading.drop_wakes(own)
  for _, entry in ipairs(redis.call('XRANGE', own, '-', '+', 'COUNT', 10)) do
    if streams.fields(entry).kind == 'wake' then tasks.remove(own, entry[1]) end
  end
end
