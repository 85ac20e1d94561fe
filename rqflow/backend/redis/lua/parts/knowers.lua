-- @include activities
-- @include backoffs
-- @include clock
-- @include due
-- @include rows
-- @include tasks
-- @include unknowns
-- knowers: workers that know a name, and how a task that others do not know gets to them: never by a race for it.

local most = 100 -- workers looked at for one task, tasks handed to one that comes

local function has(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then return true end
  end
  return false
end

local function serves(worker, names, queues, name, queue)
  local record = cjson.decode(redis.call('HGET', key.worker_info(worker), 'record'))
  return has(record[names], name) and has(record.subscription[queues], queue)
end

-- Any worker but `holder` that lives, serves this queue, and has the name among its `names`; another for each `spread`.
function knowers.one(names, queues, name, queue, holder, spread)
  local alive = redis.call('ZRANGEBYSCORE', key.workers(), '(' .. clock.now, '+inf')
  table.sort(alive)
  local first = tonumber(string.sub(redis.sha1hex(spread), 1, 6), 16)
  for i = 1, math.min(#alive, most) do
    local worker = alive[(first + i) % #alive + 1]
    local done, knows = pcall(serves, worker, names, queues, name, queue)
    if done and knows and worker ~= holder then return worker end
  end
end

local kinds = {}

function kinds.w(worker, instance, _, length)
  local row = rows.live(instance)
  if row.status ~= 'running' or row.task ~= 'waiting' or row.length ~= length then return false end
  due.remove('wait', 0, row.run, instance)
  row.sticky = worker
  redis.call('HSET', key.instance(instance), 'task', tasks.add(instance, row), 'sticky', worker)
  return true
end

function kinds.a(worker, instance, id, run, attempt)
  local record = activities.read(run, id)
  if not record or record[1] ~= 'backoff' or record[3] ~= attempt then return false end
  backoffs.offer(worker, instance, run, id, attempt)
  return true
end

local function tell(worker, kind, names, packed)
  local note = cmsgpack.unpack(packed)
  return note[1] == kind and has(names, note[2]) and kinds[kind](worker, note[3], note[4], note[5], note[6])
end

-- What waits for a worker that knows its name is told to this one, which has just come.
function knowers.came(worker, names, queues, kind)
  local looks, told = 1000, 0
  for _, queue in ipairs(queues) do
    for _, packed in ipairs(unknowns.notes(queue, looks)) do
      looks = looks - 1
      local done, was = pcall(tell, worker, kind, names, packed)
      if done and was then
        redis.call('ZREM', key.unknown(queue), packed)
        told = told + 1
      end
      if looks <= 0 or told >= most then return end
    end
  end
end
