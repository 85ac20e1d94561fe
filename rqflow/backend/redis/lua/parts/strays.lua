-- strays: consumers of no worker. A blocked read that outlives its worker's lease makes the consumer anew when a task
-- comes, and leases the task to it: without a look at the consumers themselves nobody would ever take it back (P6).

-- Declare them dead, so that a takeover finds them. A few queues each time: sweeps come often.
function strays.declare_dead()
  for _, member in ipairs(redis.call('SRANDMEMBER', key.queues(), 4)) do
    local queue = string.sub(member, 3)
    local stream = string.sub(member, 1, 1) == 'w' and key.workflows(queue) or key.activities(queue)
    local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, group)
    for _, consumer in ipairs(consumers.err and {} or consumers) do
      for i = 1, #consumer, 2 do
        local name = consumer[i] == 'name' and consumer[i + 1]
        if name and not redis.call('ZSCORE', key.workers(), name) then redis.call('ZADD', key.workers(), 0, name) end
      end
    end
  end
end
