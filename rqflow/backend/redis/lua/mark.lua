-- mark: a write that changes nothing, for WAIT to stand behind; nothing in a hub that is gone.
-- Returns 1 if it wrote.

local name = redis.call('HGET', KEYS[1], 'name')
if not name then
  return 0
end
redis.call('HSET', KEYS[1], 'name', name)
return 1
