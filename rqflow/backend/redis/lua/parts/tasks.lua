-- @include bulk
-- @include clock
-- @include due
-- tasks: the one workflow task that an instance has while it has news (P6): queued, leased, or waiting for a time.
-- Its token in the row is the fence (P3): whoever names another one changes nothing.

-- A stream that gets work: all of them are looked at when a worker is taken over. Written once a script for each.
tasks.known = {}
function tasks.know(member)
  if tasks.known[member] then return end
  redis.call('SADD', key.queues(), member)
  tasks.known[member] = true
end

-- Where work for an instance goes: to the worker that keeps its executor while that one's lease lives. No script ends
-- or begins a lease after it has looked for it here.
tasks.own = {}
function tasks.stream(row)
  local worker = row.sticky or ''
  if worker ~= '' and tasks.own[worker] == nil then
    local ends = redis.call('ZSCORE', key.workers(), worker)
    tasks.own[worker] = ends and tonumber(ends) > clock.now and key.worker(worker) or false
  end
  return worker ~= '' and tasks.own[worker] or key.workflows(row.queue)
end

function tasks.token(stream, entry)
  return entry .. '@' .. string.sub(stream, #prefix + 1)
end

-- Stream and entry of a token, or nil for what is none ('' and 'waiting').
function tasks.place(token)
  local entry, stream = string.match(token or '', '^([%d-]+)@(.+)$')
  return stream and (prefix .. stream), entry
end

-- A new entry each time: the old token is void from here on. Returns the token, which the caller must store.
function tasks.add(instance, row)
  local stream = tasks.stream(row)
  return tasks.token(stream, redis.call('XADD', stream, '*', 'kind', 'task', 'instance', instance))
end

-- An instance that has news and may run, and has no task, gets one.
function tasks.wake(instance, row)
  if row.status == 'running' and (row.task or '') == '' then
    row.task = tasks.add(instance, row)
    redis.call('HSET', key.instance(instance), 'task', row.task)
  end
end

function tasks.remove(stream, entry)
  bulk.remove(stream, entry)
end

-- Whoever has the task loses it. The caller clears or replaces the row's field.
function tasks.drop(instance, row)
  if row.task == 'waiting' then
    due.remove('wait', 0, row.run, instance)
  else
    local stream, entry = tasks.place(row.task)
    if stream then tasks.remove(stream, entry) end
  end
end

-- The consumer that has an entry on lease, or nil.
function tasks.owner(stream, entry)
  local pending = redis.pcall('XPENDING', stream, group, entry, entry, 1)
  return pending[1] and pending[1][2]
end

-- As wake, after a turn: only if there is news.
function tasks.renew(instance, row)
  if row.news == false or row.status ~= 'running' or (row.task or '') ~= '' then return end
  if redis.call('EXISTS', key.inbox(instance)) == 1 then tasks.wake(instance, row) end
end
