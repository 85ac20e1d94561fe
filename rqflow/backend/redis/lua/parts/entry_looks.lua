-- @include activities
-- @include findings
-- @include rows
-- @include streams
-- @include tasks
-- entry_looks: the entries of a task stream, who has them, and who reads.

local kinds = { query = function() end, wake = function() end }

function kinds.task(stream, entry, fields)
  local row = rows.read(fields.instance, 'task')
  if row.task ~= tasks.token(stream, entry) then findings.add('task_extra', stream, fields.instance, entry) end
end

function kinds.activity(stream, entry, f)
  local record = activities.read(f.run, f.id)
  if record and record[1] == 'queued' and record[2] == entry then return end
  local row = rows.read(f.instance, 'run', 'status')
  local over = row.run ~= f.run or rows.closed(row)
  -- The end of a run that waited for more than a thousand leaves some of them for Take to drop (see ends.release).
  if over and redis.call('LLEN', key.history(f.run)) > 1000 then return end
  findings.add('activity_extra', stream, f.instance, f.id)
end

local function look(stream, entry)
  local fields = streams.fields(entry)
  if not kinds[fields.kind] then return findings.add('entry_unknown', stream, '', entry[1]) end
  kinds[fields.kind](stream, entry[1], fields)
end

-- A page; the last id, or nil at the end.
function entry_looks.entries(stream, after)
  local found = redis.call('XRANGE', stream, after == '' and '-' or '(' .. after, '+', 'COUNT', 100)
  for _, entry in ipairs(found) do findings.of(stream, '', look, stream, entry) end
  return #found == 100 and found[100][1] or nil
end

-- A page; the last id, or nil at the end.
function entry_looks.leases(stream, after)
  local found = redis.pcall('XPENDING', stream, group, after == '' and '-' or '(' .. after, '+', 100)
  if found.err then return nil end
  for _, lease in ipairs(found) do
    if #redis.call('XRANGE', stream, lease[1], lease[1]) == 0 then
      findings.add('lease_extra', stream, '', lease[1] .. ' of ' .. lease[2])
    end
  end
  return #found == 100 and found[100][1] or nil
end

function entry_looks.consumers(stream)
  -- Between two looks a worker may have left, and its stream with it.
  if redis.call('EXISTS', stream) == 0 then return end
  for _, found in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if found[2] ~= group then findings.add('group_unknown', stream, '', found[2]) end
  end
  local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
  for _, consumer in ipairs(consumers.err and {} or consumers) do
    if not redis.call('ZSCORE', key.workers(), consumer[2]) then
      findings.add('consumer_extra', stream, '', consumer[2])
    end
  end
end
