-- unregister: a worker leaves; all that it has goes back at once, and counts as neither tried nor lost.
-- ARGV  worker  string
-- Returns 1.
-- @include takeover

if redis.call('ZSCORE', key.workers(), worker) then
  -- What is too much for one script is left to the sweep: the worker counts as dead until then.
  redis.call('ZADD', key.workers(), 0, worker)
  takeover.all(worker, 10000, nil)
end
return 1
