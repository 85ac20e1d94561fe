-- describe: an instance's row, and what its current run waits for.
-- ARGV  instance  string
-- Returns {row as describing makes it, activities {id, name, queue, attempt, state, worker, due or "", failure, details},
--          number of timers, ids of open children}, or missing. At most 1,000 activities and children.
-- @include activities
-- @include describing
-- @include due

local row = describing.row(instance)
if not row then return { 'err', 'missing', instance } end
local run = row[2][1]

local ids, timers = {}, 0
for _, field in ipairs(redis.call('HKEYS', key.outstanding(run))) do
  local kind = string.sub(field, 1, 1)
  if kind == 'a' then ids[#ids + 1] = tonumber(string.sub(field, 3)) end
  if kind == 't' then timers = timers + 1 end
end
table.sort(ids)

local pending = {}
for place = 1, math.min(#ids, 1000) do
  local id = ids[place]
  local record = activities.read(run, id)
  local owner = record[1] == 'queued' and tasks.owner(key.activities(record[7]), record[2]) or nil
  local due_ms = record[1] == 'backoff' and redis.call('ZSCORE', key.due(), due.member('retry', id, run, instance))
  local kept = redis.call('HMGET', key.attempts(run), 'l:' .. id, 'h:' .. id)
  pending[place] = { id, record[8], record[7], record[3], owner and 'leased' or record[1], owner or '', due_ms or '',
    kept[1] or '', kept[2] or '' }
end

local children = {}
for _, packed in ipairs(redis.call('HVALS', key.children(instance))) do
  if #children < 1000 then children[#children + 1] = cmsgpack.unpack(packed).child end
end
return { row, pending, timers, children }
