-- leases: when workers are to be taken over.

-- When the next lease of another worker ends, or -1: before that nobody need look for the dead.
function leases.next_lapse(worker)
  local soonest = redis.call('ZRANGE', key.workers(), 0, 1, 'WITHSCORES')
  return tonumber(soonest[1] ~= worker and soonest[2] or soonest[4] or -1)
end
