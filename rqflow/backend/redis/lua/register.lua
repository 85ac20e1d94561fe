-- register: a worker announces itself; from now on its stream gets sticky tasks while its lease lives.
-- ARGV  worker           string
--       lease_ms         int
--       record           string  JSON
--       build            string
--       workflow_queues  list
--       activity_queues  list
-- Returns 1, or lease for one that was declared dead: it comes back under a new id.
-- @include clock
-- @include knowers
-- @include rows
-- @include stalls
-- @include streams

if tonumber(redis.call('ZSCORE', key.workers(), worker) or 1) == 0 then
  return { 'err', 'lease', 'of worker ' .. worker }
end
local info = key.worker_info(worker)
redis.call('HSET', info, 'record', record, 'build', build, 'registered_ms', clock.now,
  'workflow_queues', cmsgpack.pack(workflow_queues), 'activity_queues', cmsgpack.pack(activity_queues))
redis.call('ZADD', key.workers(), clock.now + lease_ms, worker)
streams.open(key.worker(worker))
local served = {}
for _, queue in ipairs(workflow_queues) do
  served[queue] = true
  streams.open(key.workflows(queue))
  redis.call('SADD', key.queues(), 'w:' .. queue)
end
for _, queue in ipairs(activity_queues) do
  streams.open(key.activities(queue))
  redis.call('SADD', key.queues(), 'a:' .. queue)
end
local named = cjson.decode(record)
knowers.came(worker, named.workflows, workflow_queues, 'w')
knowers.came(worker, named.activities, activity_queues, 'a')
local cursor = stalls.retry(served, build, '-inf', 100)
redis.call('HSET', info, 'stalled_cursor', cursor)
return 1
