-- @include handover
-- @include streams
-- @include tasks
-- takeover: what a worker that is gone had on lease, and what waits on its own stream, goes to others.

-- At most `room` of it. Returns the room that is left; when there is some, nothing of the worker is left.
function takeover.all(worker, room, losses)
  local build = redis.call('HGET', key.worker_info(worker), 'build') or ''
  local own, served = key.worker(worker), {}
  -- Every queue there is, not only those that it named: it may have taken from others since (P6).
  for _, member in ipairs(redis.call('SMEMBERS', key.queues())) do
    local queue = string.sub(member, 3)
    served[#served + 1] = string.sub(member, 1, 1) == 'w' and key.workflows(queue) or key.activities(queue)
  end
  for _, stream in ipairs(served) do
    for _, pending in ipairs(streams.pending(stream, worker, room)) do
      room = room - 1
      local found = redis.call('XRANGE', stream, pending[1], pending[1])
      handover.pass_on(stream, found[1] or { pending[1] }, true, losses, build)
    end
    if room <= 0 then return room end
    redis.pcall('XGROUP', 'DELCONSUMER', stream, group, worker)
  end
  for _, entry in ipairs(redis.call('XRANGE', own, '-', '+', 'COUNT', room)) do
    room = room - 1
    handover.pass_on(own, entry, tasks.owner(own, entry[1]) == worker, losses, build)
  end
  if room <= 0 then return room end
  redis.call('UNLINK', own, key.worker_info(worker), key.notices(worker))
  redis.call('ZREM', key.workers(), worker)
  return room
end
