-- read_events: lifecycle events, oldest first.
-- ARGV  after  string  an entry's id; empty: from the oldest kept; $: the last one alone
--       limit  int
-- Returns entries of the stream.

if after == '$' then return redis.call('XREVRANGE', key.events(), '+', '-', 'COUNT', 1) end
local from = after == '' and '-' or '(' .. after
return redis.call('XRANGE', key.events(), from, '+', 'COUNT', limit)
