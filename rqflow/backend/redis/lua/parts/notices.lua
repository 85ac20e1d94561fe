-- @include activities
-- @include tasks
-- notices: telling a worker that an activity it runs is not wanted any more.

-- Forget the activity, and tell its worker if one has it and was not declared dead. An entry on the worker's stream
-- ends a blocked read.
function notices.cancel(instance, run, id, record)
  local owner = record[1] == 'queued' and tasks.owner(key.activities(record[7]), record[2])
  if owner and tonumber(redis.call('ZSCORE', key.workers(), owner) or 0) > 0 then
    local token = record[2] .. '@' .. id .. '@' .. run
    local told = key.notices(owner)
    -- Offers stay until there is room for them, and have ended their read.
    if redis.call('RPUSH', told, token) == 1 or string.find(redis.call('LINDEX', told, -2), '^offer') then
      redis.call('XADD', key.worker(owner), '*', 'kind', 'wake')
    end
  end
  activities.forget(instance, run, id, record)
end
