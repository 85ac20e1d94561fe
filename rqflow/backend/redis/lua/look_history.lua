-- look_history: a page of a run's events, bounded in number and bytes.
-- ARGV  run    string
--       after  int     so many are left out
--       limit  int
-- Returns {length of the whole, ms until it expires or -1, events}; nothing of a key of another type.
-- @include pages

local name = key.history(run)
if redis.call('TYPE', name).ok ~= 'list' then return { 0, -1, {} } end
return { redis.call('LLEN', name), redis.call('PTTL', name), limit > 0 and pages.events(run, after, limit) or {} }
