-- read_outcome: how an instance stands, and its result if it has one.
-- ARGV  instance  string
-- Returns {status, run, result}, or missing.
-- @many
-- @include rows

local row = rows.read(instance, 'status', 'run', 'result')
if not row.status then return { 'err', 'missing', instance } end
return { row.status, row.run, row.result or '' }
