-- list_schedules: a page of schedules, by id; about a megabyte at most, but at least one.
-- ARGV  after  string  an id, empty: from the first
--       limit  int
-- Returns {now, the id to go on after or empty at the end, rows as schedule_rows makes them}.
-- @include clock
-- @include schedule_rows

local from = after == '' and '-' or '(' .. after
local ids = redis.call('ZRANGEBYLEX', key.schedules(), from, '+', 'LIMIT', 0, limit + 1)
local rows, taken = schedule_rows.page(ids, limit)
return { clock.now, taken < #ids and ids[taken] or '', rows }
