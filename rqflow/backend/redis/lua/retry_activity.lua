-- retry_activity: an attempt failed, and the next comes after a wait, if any. No event, no turn.
-- ARGV  instance  string
--       run       string
--       id        string
--       token     string  the attempt's fence
--       delay_ms  int
--       failure   string
--       lost      int     1: its own process died
-- Returns 1, or lease.
-- @many
-- @include activities
-- @include backoffs

local record = activities.held(run, id, token)
if not record then return { 'err', 'lease', token } end
record[3], record[4] = record[3] + 1, record[4] + lost
redis.call('HSET', key.attempts(run), 'l:' .. id, failure)
backoffs.begin(instance, run, id, record, delay_ms)
return 1
