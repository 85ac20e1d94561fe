-- give_back: a task returns unfinished, and is seen again after a while. Nothing is counted against it.
-- ARGV  instance  string
--       run       string
--       token     string
--       activity  string  its number, 0: the workflow task
--       delay_ms  int
--       unknown   string  the name that its worker does not know, or empty
-- Returns 1, or lease.
-- @include returns

local done
if activity == '0' then
  done = returns.workflow(instance, run, token, delay_ms, unknown)
else
  done = returns.activity(instance, run, activity, token, delay_ms, unknown)
end
return done and 1 or { 'err', 'lease', token }
