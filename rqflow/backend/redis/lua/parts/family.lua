-- @include messages
-- @include news
-- @include rows
-- @include schedules
-- family: what the end of an instance means to its parent, its schedule and its children.

-- Whoever started it learns of it, and open children get what their policy says.
function family.tell(instance, row, how)
  if row.parent or row.schedule then rows.kin(instance, row) end
  if row.parent then
    messages.send(row.parent_partition, {
      kind = 'child', instance = row.parent, run = row.parent_run, id = row.parent_command, child = row.first,
      body = how.status == 'completed' and news.child_completed(row.parent_command, how.result)
        or news.child_failed(row.parent_command, family.failure(how)),
    })
  end
  if row.schedule then schedules.tell(row, row.first, how.status, how.result) end
  local children = redis.call('HVALS', key.children(instance))
  for _, packed in ipairs(children) do
    local link = cmsgpack.unpack(packed)
    local policy = how.recursive and 'terminate' or link.policy
    if policy ~= 'abandon' then
      messages.send(link.to, { kind = 'close', instance = link.child, first = link.run, policy = policy,
        recursive = how.recursive, reason = 'its parent ' .. instance .. ' ended: ' .. how.status })
    end
  end
  if #children > 0 then redis.call('UNLINK', key.children(instance)) end
end

-- What a parent is told of an end without a result; a cancellation may have no failure of its own.
function family.failure(how)
  if how.result ~= '' then return how.result end
  return news.failure('WorkflowCanceled', 'it was canceled', 'canceled')
end

-- A turn asks for a child. Returns its link, to be kept with its parent.
function family.begin(instance, row, child)
  local new = { instance = child.instance, run = child.run, workflow = child.workflow, queue = child.queue,
    started = child.started, retention_ms = child.retention_ms, attributes = cjson.decode(child.attributes),
    priority = child.priority, lane = child.lane, parent = instance, parent_run = row.run,
    parent_command = child.id, parent_partition = partition }
  if child.timeout_ms ~= '' then new.timeout_ms = child.timeout_ms end
  messages.send(child.to, { kind = 'start', row = new, tell_start = child.tell == '1' })
  return cmsgpack.pack({ child = child.instance, run = child.run, policy = child.policy, to = child.to })
end
