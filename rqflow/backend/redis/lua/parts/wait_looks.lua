-- @include claims
-- @include findings
-- @include row_looks
-- @include streams
-- @include tasks
-- wait_looks: what a run waits for: each has its entry, its time, its child or its message.

local kinds = {}

local function queued(instance, run, id, record)
  local stream = key.activities(record[7])
  local found = redis.call('XRANGE', stream, record[2], record[2])[1]
  if not found then return findings.add('activity_lost', stream, instance, id) end
  local fields = streams.fields(found)
  if fields.kind ~= 'activity' or fields.instance ~= instance or fields.run ~= run or fields.id ~= id then
    findings.add('activity_other', stream, instance, id)
  end
  if record[5] >= 0 and not tasks.owner(stream, record[2]) then row_looks.scheduled(nil, 'queued', id, run, instance) end
end

function kinds.a(instance, run, id, value)
  local record = cmsgpack.unpack(value)
  if record[1] == 'queued' then
    queued(instance, run, id, record)
  else
    row_looks.scheduled(nil, 'retry', id, run, instance)
    if redis.call('HEXISTS', key.attempts(run), 'f:' .. id) == 0 then
      findings.add('attempt_lacks', key.attempts(run), instance, id)
    end
  end
  if record[6] == 1 then row_looks.scheduled(nil, 'total', id, run, instance) end
end

function kinds.t(instance, run, id, value) row_looks.scheduled(value, 'timer', id, run, instance) end

-- The ids of an instance's open children; nil if they are too many to look at here.
local function children_of(instance)
  if redis.call('HLEN', key.children(instance)) > 1000 then return nil end
  local found = {}
  for _, packed in ipairs(redis.call('HVALS', key.children(instance))) do found[cmsgpack.unpack(packed).child] = true end
  return found
end

local known = {}

function kinds.c(instance, run, id, child)
  if known[instance] == nil then known[instance] = children_of(instance) or false end
  if known[instance] and not known[instance][child] then
    findings.add('child_none', key.children(instance), instance, child)
  end
end

function kinds.s(instance, run, id, other) claims.leave('signal', instance, id, other, run) end

-- A page of what a run waits for; where the next one begins.
function wait_looks.page(instance, run, cursor)
  local name = key.outstanding(run)
  local found = redis.call('HSCAN', name, cursor, 'COUNT', 100)
  for i = 1, #found[2], 2 do
    local letter, id = string.match(found[2][i], '^(%l):(%d+)$')
    if kinds[letter] then
      findings.of(name, instance, kinds[letter], instance, run, id, found[2][i + 1])
    else
      findings.add('unreadable', name, instance, found[2][i])
    end
  end
  return found[1]
end
