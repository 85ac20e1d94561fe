-- sweep: take over from workers whose lease has ended, a bounded piece at a time; retry what stalled under other code.
-- ARGV  worker      string  who asks; it does not sweep itself
--       build       string
--       max_losses  int
-- Returns 1 if there is more to do, else 0.
-- @include clock
-- @include messages
-- @include stalls
-- @include strays
-- @include takeover

strays.declare_dead()
local room, more = 100, 0
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', key.workers(), '-inf', clock.now, 'LIMIT', 0, 10)) do
  if lapsed ~= worker then
    -- From here on its renewals are refused (P3).
    redis.call('ZADD', key.workers(), 0, lapsed)
    room = takeover.all(lapsed, room, max_losses)
    if room <= 0 then return 1 end
  end
end

local info = key.worker_info(worker)
local known = redis.call('HMGET', info, 'workflow_queues', 'stalled_cursor')
if known[1] then
  local served = {}
  for _, queue in ipairs(cmsgpack.unpack(known[1])) do served[queue] = true end
  local before = known[2] or '-inf'
  local cursor, revived = stalls.retry(served, build, before, 100)
  if cursor ~= before then redis.call('HSET', info, 'stalled_cursor', cursor) end
  if cursor ~= '-inf' and revived > 0 then more = 1 end
end
return more
