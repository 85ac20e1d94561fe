-- read_schedule: a schedule's row.
-- ARGV  schedule  string
-- Returns {now, row as schedule_rows makes it}, or no_schedule.
-- @include clock
-- @include schedule_rows

local row = schedule_rows.read(schedule)
return row and { clock.now, row } or { 'err', 'no_schedule', schedule }
