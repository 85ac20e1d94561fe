-- @include findings
-- @include rows
-- @include streams
-- ownership: to whom a key belongs, by its kind.

local kinds = {}

local function exists(instance) return rows.read(instance, 'status').status ~= nil end

kinds.inbox, kinds.requests, kinds.children, kinds.runs = exists, exists, exists, exists

function kinds.instance(instance) return exists(instance) and redis.call('ZSCORE', key.ids(), instance) ~= false end

-- The row of the instance that a run belongs to, if the run is its current one: its history says whose it is.
local function owner(run)
  local first = redis.call('LINDEX', key.history(run), 0)
  local header = first and string.match(first, '^%d+ %l ([^\n]*)')
  local row = header and rows.read(cjson.decode(header)[4], 'run', 'status')
  return row and row.run == run and row or nil
end

function kinds.history(run) return redis.call('PTTL', key.history(run)) >= 0 or owner(run) ~= nil end

function kinds.answers(run)
  if redis.call('PTTL', key.answers(run)) >= 0 or owner(run) then return true end
  if redis.call('EXISTS', key.history(run)) == 1 then return false end
  -- A run that goes on for another has its answers before it has a history: all instances must be asked.
  findings.add('answers_loose', key.answers(run), '', run)
  return true
end

local function open(run)
  local row = owner(run)
  return row and not rows.closed(row)
end

kinds.outstanding, kinds.attempts = open, open

local function worker(name) return redis.call('ZSCORE', key.workers(), name) ~= false end

kinds.worker, kinds.worker_info, kinds.notices = worker, worker, worker

function kinds.workflows(queue) return redis.call('SISMEMBER', key.queues(), 'w:' .. queue) == 1 end

function kinds.activities(queue) return redis.call('SISMEMBER', key.queues(), 'a:' .. queue) == 1 end

function kinds.query(query) return redis.call('PTTL', key.query(query)) >= 0 end

function kinds.unknown(queue) return redis.call('PTTL', key.unknown(queue)) >= 0 end

function kinds.schedulers() return redis.call('PTTL', key.schedulers()) >= 0 end

function kinds.schedule(id)
  if not redis.call('ZSCORE', key.schedules(), id) then findings.add('schedule_unlisted', key.schedules(), '', id) end
  return true
end

-- Ends that its state does not know of make a schedule due.
function kinds.schedule_ends(id)
  local broken = redis.call('HGET', key.schedule(id), 'broken') or ''
  if broken == '' and not redis.call('ZSCORE', key.schedules_due(), id) then
    findings.add('schedule_idle', key.schedules_due(), '', id)
  end
  return redis.call('EXISTS', key.schedule(id)) == 1
end

-- Kinds that are not here are the partition's own, or indexes.
function ownership.known(kind, argument) return not kinds[kind] or (kinds[kind](argument) and true or false) end
