-- @include due
-- @include findings
-- @include indexes
-- @include rows
-- row_looks: an instance's row against the indexes, and against what must be due for it.

local function indexed(index, instance, score)
  local found = redis.call('ZSCORE', index, instance)
  if not found then return findings.add('index_lacks', index, instance) end
  if tonumber(found) ~= tonumber(score) then findings.add('index_order', index, instance, found) end
end

function row_looks.indexes(instance, row)
  indexed(key.created(), instance, row.order)
  indexed(key.ids(), instance, 0)
  indexed(key.status(row.status), instance, row.order)
  indexed(key.workflow(row.workflow), instance, row.order)
  indexed(key.queue(row.queue), instance, row.order)
  if rows.closed(row) then indexed(key.closed(), instance, row.closed_order) end
  if (row.parent or '') ~= '' then indexed(key.parent(row.parent), instance, row.order) end
  for name, value in pairs(indexes.unpack(row.attributes)) do
    indexed(key.attribute(name .. '=' .. value), instance, row.order)
  end
end

function row_looks.scheduled(at, kind, number, run, instance)
  local member = due.member(kind, number, run, instance)
  local found = redis.call('ZSCORE', key.due(), member)
  if not found then return findings.add('due_lacks', key.due(), instance, member) end
  if at and tonumber(found) ~= tonumber(at) then findings.add('due_time', key.due(), instance, member) end
end

function row_looks.due(instance, row)
  if rows.closed(row) then
    return row_looks.scheduled(row.closed_ms + row.retention_ms, 'retention', 0, row.run, instance)
  end
  if row.status == 'pending' then row_looks.scheduled(row.start_ms, 'start', 0, row.run, instance) end
  if row.task == 'waiting' then row_looks.scheduled(nil, 'wait', 0, row.run, instance) end
  if (row.deadline_ms or '') ~= '' then row_looks.scheduled(row.deadline_ms, 'deadline', 0, row.run, instance) end
end
