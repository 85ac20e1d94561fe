-- @include activities
-- @include backoffs
-- @include firing
-- @include inbox
-- @include news
-- @include notices
-- @include tasks
-- activity_times: what is due for an activity: its next attempt, and the ends of the store's two time limits.

function activity_times.retry(instance, run, id)
  backoffs.finish(instance, run, id, activities.read(run, id))
end

local function time_out(instance, run, id, record, message)
  local row = firing.current(instance, run)
  if not row then return end
  inbox.push(instance, row, 'r', news.activity_failed(id, news.failure('ActivityTimedOut', message, 'timeout')))
  notices.cancel(instance, run, id, record)
end

function activity_times.queued(instance, run, id)
  local record = activities.read(run, id)
  if not record or record[1] ~= 'queued' or tasks.owner(key.activities(record[7]), record[2]) then return end
  time_out(instance, run, id, record, 'no worker took the activity ' .. record[8] .. ' in time (schedule to start)')
end

function activity_times.total(instance, run, id)
  local record = activities.read(run, id)
  if not record then return end
  time_out(instance, run, id, record, 'the activity ' .. record[8] .. ' took too long in all (schedule to close)')
end
