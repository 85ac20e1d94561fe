-- begin_turn: a turn that was lost before is begun again. What becomes of its worker from here on counts against it (P7).
-- ARGV  instance  string
--       run       string
--       token     string
-- Returns 1, or lease.
-- @include rows

local row = rows.light(instance)
if row.run ~= run or row.task ~= token then return { 'err', 'lease', token } end
redis.call('HSET', key.instance(instance), 'trial', token)
return 1
