-- create_groups: give a registered worker the streams that it reads, after they were lost.
-- ARGV  worker   string  whose stream is made too, if it is registered and was not declared dead
--       streams  list    of queues, named without the partition's prefix
-- Returns 1, or 0 for a worker that is not registered: nothing is made for it.

local lease = redis.call('ZSCORE', key.workers(), worker)
if not lease or tonumber(lease) == 0 then return 0 end

local function ensure(stream)
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
    error(made.err)
  end
end

ensure(key.worker(worker))
for _, stream in ipairs(streams) do ensure(prefix .. stream) end
return 1
