-- list_schedules: a page of schedules, by id; about a megabyte at most, but at least one.
-- ARGV  after  string  an id, empty: from the first
--       limit  int
-- Returns {now, the id to go on after or empty at the end, rows as schedules makes them}.
-- @include clock
-- @include schedules
-- @later lifecycle

local from = after == '' and '-' or '(' .. after
local ids = redis.call('ZRANGEBYLEX', key.schedules(), from, '+', 'LIMIT', 0, limit + 1)
local rows, taken = schedules.page(ids, limit)
return { clock.now, taken < #ids and ids[taken] or '', rows }
