-- @include activities
-- @include tasks
-- notices: telling a worker that an activity it runs is not wanted any more.

-- Forget the activity, and tell its worker if one has it. An entry on the worker's stream ends a blocked read.
function notices.cancel(instance, run, id, record)
  local owner = record[1] == 'queued' and tasks.owner(key.activities(record[7]), record[2])
  if owner and redis.call('ZSCORE', key.workers(), owner) then
    local token = record[2] .. '@' .. id .. '@' .. run
    if redis.call('RPUSH', key.notices(owner), token) == 1 then
      redis.call('XADD', key.worker(owner), '*', 'kind', 'wake')
    end
  end
  activities.forget(instance, run, id, record)
end
