-- look_due: a page of what is due at a time: what nobody waits for.
-- ARGV  cursor  string
-- Returns {findings, cursor of the next page}.
-- @include activities
-- @include findings
-- @include rows

local wanted = {}

local function current(instance, run)
  local row = rows.read(instance, 'run', 'status', 'task', 'deadline_ms')
  return row.run == run and row.status and row or nil
end

function wanted.timer(row, run, id) return redis.call('HEXISTS', key.outstanding(run), 't:' .. id) == 1 end

local function waits(state)
  return function(row, run, id)
    local record = activities.read(run, id)
    return record and (not state or record[1] == state)
  end
end

wanted.retry, wanted.queued, wanted.total = waits('backoff'), waits('queued'), waits()

function wanted.start(row) return row.status == 'pending' end

function wanted.wait(row) return row.task == 'waiting' end

function wanted.deadline(row) return (row.deadline_ms or '') ~= '' and not rows.closed(row) end

function wanted.retention(row) return rows.closed(row) end

local function look(member)
  local kind, number, run, instance = string.match(member, '^(%l+) (%d+) (%S+) (.+)$')
  if not wanted[kind] then return findings.add('due_unknown', key.due(), '', member) end
  local row = current(instance, run)
  if not row or not wanted[kind](row, run, number) then findings.add('due_extra', key.due(), instance, member) end
end

local found = redis.call('ZSCAN', key.due(), cursor, 'COUNT', 200)
for i = 1, #found[2], 2 do findings.of(key.due(), '', look, found[2][i]) end
return { findings.list, found[1] }
