-- @include findings
-- @include rows
-- @include streams
-- @include tasks
-- task_looks: whether an instance has the one task that it should have.

local function entry_of(instance, row)
  local stream, entry = tasks.place(row.task)
  if not stream then return findings.add('task_token', key.instance(instance), instance, row.task) end
  local found = redis.call('XRANGE', stream, entry, entry)[1]
  if not found then return findings.add('task_lost', stream, instance, row.task) end
  local fields = streams.fields(found)
  if fields.kind ~= 'task' or fields.instance ~= instance then
    findings.add('task_other', stream, instance, row.task)
  end
  return tasks.owner(stream, entry)
end

function task_looks.check(instance, row)
  local news, task, owner = redis.call('LLEN', key.inbox(instance)), row.task or '', nil
  if task == '' then
    if row.status == 'running' and news > 0 then findings.add('task_none', key.instance(instance), instance, news) end
  elseif task ~= 'waiting' then
    owner = entry_of(instance, row)
  end
  -- A turn that was under way when its instance was suspended may still be committed.
  if task ~= '' and row.status ~= 'running' and not (row.status == 'suspended' and owner) then
    findings.add('task_idle', key.instance(instance), instance, row.status)
  end
  if rows.closed(row) and news > 0 then findings.add('inbox_closed', key.inbox(instance), instance, news) end
end
