-- fire_due: what is due becomes news or tasks.
-- ARGV  limit  int
-- Returns how many were handled.
-- @include agenda
-- @include clock
-- @include firing
-- @include inbox
-- @include rows
-- @include tasks
-- @later lifecycle
-- @later messages

return agenda.fire(limit)
