-- change_hub: write what may be changed about a hub into a partition's meta key, if the hub is there.
-- ARGV  durability  string
-- Returns the record as it stands now: fields and values in turn; empty if there is none.

local meta = KEYS[1]
if redis.call('EXISTS', meta) == 1 then
  redis.call('HSET', meta, 'durability', durability)
end
return redis.call('HGETALL', meta)
