-- @include ends
-- @include inbox
-- @include messages
-- @include news
-- @include rows
-- @include schedules
-- @include starts
-- delivery: what a message does to the instance or schedule that it is for.

local kinds = {}

function delivery.take(message)
  if string.sub(message.kind, 1, 10) == 'scheduled_' then return schedules.take(message) end
  kinds[message.kind](message)
end

-- News of the sender's command, as long as that run still waits for it; without `keep` it waits no more then.
local function tell(m, keep, field)
  local row, waits = rows.light(m.instance), key.outstanding(m.run)
  if row.run ~= m.run or rows.closed(row) then return end
  local waited = keep and redis.call('HEXISTS', waits, field) or not keep and redis.call('HDEL', waits, field)
  if waited == 1 then inbox.push(m.instance, row, 'r', m.body) end
end

-- A child's beginning (keep) or end reaches its parent.
function kinds.child(m)
  if not m.keep then redis.call('HDEL', key.children(m.instance), m.child) end
  tell(m, m.keep, 'c:' .. m.id)
end

-- A signal's or a cancel request's fate reaches its sender.
function kinds.answer(m) tell(m, false, 's:' .. m.id) end

function kinds.signal(m)
  local row = rows.live(m.instance)
  local answer = { kind = 'answer', instance = m.sender, run = m.run, id = m.id }
  if not row.status or rows.closed(row) then
    local what = row.status and ('has ended (' .. row.status .. ')') or 'does not exist'
    answer.body = news.signal_failed(m.id, news.failure('InstanceNotFound', m.instance .. ' ' .. what, 'not_found'))
  else
    if not inbox.repeated(m.instance, m.request) then inbox.deliver(m.instance, row, m.event, m.request, m.cancel) end
    answer.body = news.signal_delivered(m.id)
  end
  messages.send(m.from, answer)
end

-- The parent has ended. A child that is not of this family (any more) has nothing to do with it.
function kinds.close(m)
  local row = rows.live(m.instance)
  if row.first ~= m.first or rows.closed(row) then return end
  if m.policy == 'terminate' then return ends.terminate(m.instance, row, m.reason, m.recursive) end
  inbox.deliver(m.instance, row, news.cancel_requested(m.reason), '', true)
end

function kinds.start(m)
  local s = m.row
  local row = rows.light(s.instance)
  if row.status then rows.complete(s.instance, row) end
  if s.schedule and row.status and schedules.settled(s, row, rows.closed(row)) then return end
  local answer = { kind = 'child', instance = s.parent, run = s.parent_run, id = s.parent_command, child = s.run }
  if row.status and row.first ~= s.run and not rows.closed(row) then
    answer.body = news.child_failed(s.parent_command,
      news.failure('InstanceExists', s.instance .. ' exists already and is ' .. row.status, 'error'))
    return messages.send(s.parent_partition, answer)
  end
  if row.first ~= s.run then
    if row.status then starts.replace(s.instance, row) end
    starts.create(s)
  end
  if m.tell_start then
    answer.keep, answer.body = true, news.child_started(s.parent_command, s.run)
    messages.send(s.parent_partition, answer)
  end
end
