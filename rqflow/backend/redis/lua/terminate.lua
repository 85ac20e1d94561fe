-- terminate: an open instance ends now, whatever its worker does: that one's commit is refused from here on.
-- ARGV  instance   string
--       reason     string
--       recursive  int     1: all its children, and theirs
-- Returns 1, 0 if it had ended already, or missing.
-- @include ends
-- @include messages
-- @include rows

local row = rows.live(instance)
if not row.status then return { 'err', 'missing', instance } end
if rows.closed(row) then return 0 end
ends.terminate(instance, row, reason, recursive == 1)
messages.flush()
return 1
