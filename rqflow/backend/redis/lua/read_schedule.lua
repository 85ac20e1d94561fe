-- read_schedule: a schedule's row.
-- ARGV  schedule  string
-- Returns {now, row as schedules makes it}, or no_schedule.
-- @include clock
-- @include schedules

local row = schedules.row(schedule)
return row and { clock.now, row } or { 'err', 'no_schedule', schedule }
