-- @include activities
-- @include inbox
-- @include lifecycle
-- @include news
-- @include rows
-- @include stalls
-- @include streams
-- @include tasks
-- handover: what becomes of one entry that a worker had on lease, or that waits on its stream, when it is gone.

-- Each kind of entry: `losses` is how many a task may have, nil where nothing was lost.
local kinds = {}

function kinds.task(stream, entry, fields, leased, losses, build)
  local instance = fields.instance
  local row = rows.live(instance)
  if row.task ~= tasks.token(stream, entry) then return end
  local before = rows.read(instance, 'losses', 'trial')
  local lost = tonumber(before.losses or 0)
  -- One that was lost before is tried alone, and says so before (see begin_turn): if it did not, the worker died of
  -- something else. A first loss may be anyone's.
  if leased and losses and (lost == 0 or before.trial == row.task) then
    lost = lost + 1
    if lost > losses then
      -- P7: it may be this very turn that kills its workers.
      return stalls.set(instance, row, 'its turn was lost with ' .. lost .. ' workers', build)
    end
  end
  row.sticky = ''
  local token = row.status == 'running' and tasks.add(instance, row) or ''
  redis.call('HSET', key.instance(instance), 'task', token, 'sticky', '', 'losses', lost)
end

function kinds.query(stream, entry, fields, leased, losses)
  local queue = redis.call('HGET', key.instance(fields.instance), 'queue')
  if not queue then return end
  if leased and losses then
    -- It is asked of a second worker, not of a third: whoever asked does not wait so long.
    if fields.lost then return end
    fields.all[#fields.all + 1], fields.all[#fields.all + 2] = 'lost', 1
  end
  redis.call('XADD', key.workflows(queue), '*', unpack(fields.all))
end

function kinds.activity(stream, entry, f, leased, losses)
  local record = activities.read(f.run, f.id)
  if not record or record[1] ~= 'queued' or record[2] ~= entry then return end
  if losses then record[3], record[4] = record[3] + 1, record[4] + 1 end
  if losses and record[4] > losses then
    local row = rows.read(f.instance, 'run', 'status', 'task', 'sticky', 'queue')
    inbox.push(f.instance, row, 'r', news.activity_failed(f.id, news.failure('ActivityFailed',
      'the activity ' .. f.name .. ' was lost with ' .. record[4] .. ' workers', 'worker_lost')))
    return activities.forget(f.instance, f.run, f.id, record)
  end
  activities.requeue(f.instance, f.run, f.id, record, activities.fields(record))
end

function handover.pass_on(stream, entry, leased, losses, build)
  local fields = streams.fields(entry)
  fields.all = entry[2]
  if kinds[fields.kind] then
    -- An entry that cannot be read must not stop those behind it.
    local done, problem = pcall(kinds[fields.kind], stream, entry[1], fields, leased, losses, build)
    if not done then lifecycle.broken(stream .. ' ' .. entry[1], problem) end
  end
  tasks.remove(stream, entry[1])
end
