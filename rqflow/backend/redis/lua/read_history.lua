-- read_history: events of a run of an instance, oldest first: a part that is bounded in number and bytes.
-- ARGV  instance  string
--       run       string  empty: the current one
--       after     int     so many are left out
--       limit     int
-- Returns {run, length of the whole, events}, or missing, run.
-- @include pages
-- @include rows

local row = rows.read(instance, 'status', 'run')
if not row.status then return { 'err', 'missing', instance } end
if run == '' then run = row.run end
local known = run == row.run or redis.call('LPOS', key.runs(instance), run)
local length = redis.call('LLEN', key.history(run))
if not known or (length == 0 and run ~= row.run) then return { 'err', 'run', instance, run } end
return { run, length, pages.events(run, after, limit) }
