-- stall: this code cannot follow the instance: it is set aside with its news until other code comes.
-- ARGV  instance  string
--       run       string
--       token     string
--       reason    string
--       build     string  workers of this build are not asked again
-- Returns 1, or lease.
-- @include rows
-- @include stalls

local row = rows.live(instance)
if row.run ~= run or row.task ~= token then return { 'err', 'lease', token } end
stalls.set(instance, row, reason, build)
return 1
