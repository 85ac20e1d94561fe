-- resume: a suspended or stalled instance goes on, with all the news that came meanwhile.
-- ARGV  instance  string
--       reason    string
-- Returns 1, 0 if it was neither, or missing, closed.
-- @include rows
-- @include stalls
-- @include starts

local row = rows.live(instance)
if not row.status then return { 'err', 'missing', instance } end
if rows.closed(row) then return { 'err', 'closed', instance, row.status } end
if row.status ~= 'suspended' and row.status ~= 'stalled' then return 0 end
stalls.resume(instance, row, reason)
return 1
