-- create_hub: write a hub's record into a partition's meta key, unless there is one.
-- ARGV  name          string
--       partitions    int
--       version       int     of the key layout
--       retention_ms  int     default of instances that do not say
--       durability    string  how safe what clients are told must be
-- Returns the record as it stands now: fields and values in turn.

local meta = KEYS[1]
if redis.call('EXISTS', meta) == 0 then
  local now = redis.call('TIME')
  local now_ms = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000))
  redis.call('HSET', meta, 'name', name, 'partitions', partitions, 'version', version,
    'retention_ms', string.format('%.0f', retention_ms), 'durability', durability, 'created_ms', now_ms)
end
return redis.call('HGETALL', meta)
