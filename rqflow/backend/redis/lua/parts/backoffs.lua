-- @include activities
-- @include clock
-- @include due
-- backoffs: activities that wait a while for their next attempt, and who may have it before.

-- Another attempt as the record has it, now or after a while.
function backoffs.begin(instance, run, id, record, delay)
  local fields = activities.fields(record)
  if delay <= 0 then return activities.requeue(instance, run, id, record, fields) end
  due.add(clock.now + delay, 'retry', id, run, instance)
  redis.call('HSET', key.attempts(run), 'f:' .. id, cmsgpack.pack(fields))
  activities.withdraw(instance, run, id, record)
  record[1], record[2] = 'backoff', ''
  redis.call('HSET', key.outstanding(run), 'a:' .. id, cmsgpack.pack(record))
end

-- It has waited enough. Not of interest if it does not wait.
function backoffs.finish(instance, run, id, record)
  if not record or record[1] ~= 'backoff' then return end
  local fields = cmsgpack.unpack(redis.call('HGET', key.attempts(run), 'f:' .. id))
  activities.queue(instance, run, id, record, fields)
  redis.call('HDEL', key.attempts(run), 'f:' .. id)
end

-- Tell a worker of one that others do not know. A hundred at most: each comes up again by itself.
function backoffs.offer(worker, instance, run, id, attempt)
  local told, offer = key.notices(worker), table.concat({ 'offer', attempt, id, run, instance }, ' ')
  local known = redis.call('LRANGE', told, 0, 99)
  if #known >= 100 then return end
  for _, notice in ipairs(known) do
    if notice == offer then return end
  end
  if redis.call('RPUSH', told, offer) == 1 then redis.call('XADD', key.worker(worker), '*', 'kind', 'wake') end
end

-- What was offered, if it still waits, is queued for whoever has room and takes its next. One that is spoiled is left
-- to its time, which sets it aside (P7).
local function take_up(attempt, id, run, instance)
  local record = activities.read(run, id)
  if record and record[1] == 'backoff' and record[3] == tonumber(attempt) then
    if pcall(backoffs.finish, instance, run, id, record) then due.remove('retry', id, run, instance) end
  end
end

-- Of a worker's notices, those that are no offers. Without room the offers stay.
function backoffs.told(worker, told, room)
  local unwanted = {}
  for _, notice in ipairs(told) do
    local attempt, id, run, instance = string.match(notice, '^offer (%d+) (%d+) (%S+) (.+)$')
    if not attempt then
      unwanted[#unwanted + 1] = notice
    elseif room then
      take_up(attempt, id, run, instance)
    else
      redis.call('RPUSH', key.notices(worker), notice)
    end
  end
  return unwanted
end
