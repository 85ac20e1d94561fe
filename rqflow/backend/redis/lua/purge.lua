-- purge: an instance and all its keys are removed.
-- ARGV  instance  string
--       force     int     1: even if it is open; it is terminated first
-- Returns 1, or missing, open.
-- @include ends
-- @include messages
-- @include removal
-- @include rows

local row = rows.live(instance)
if not row.status then return { 'err', 'missing', instance } end
if not rows.closed(row) then
  if force ~= 1 then return { 'err', 'open', instance, row.status } end
  ends.terminate(instance, row, 'purged', false)
end
removal.all(instance, row)
messages.flush()
return 1
