-- rerun: an instance begins with a part of an earlier run's history; the same run is the same rerun.
-- ARGV  instance      string
--       run           string                 the request id, too
--       replaces      string                 the run in whose place it begins; empty: the id must be free
--       workflow      string
--       queue         string
--       history       list                   stored events
--       news          rows(scope,event)      encoded events, at least one
--       timeout_ms    int                    -1: none
--       retention_ms  int
--       attributes    rows(name,value)       value as JSON text
--       custom        string                 custom status
--       priority      int
--       lane          string
--       reason        string
-- Returns {run that is current, 1}, or missing, open, exists.
-- @include clock
-- @include ends
-- @include inbox
-- @include messages
-- @include rows
-- @include starts

local row = rows.light(instance)
local open = row.status and not rows.closed(row)
if row.status then rows.complete(instance, row) end
if row.status and (row.first == run or inbox.repeated(instance, 'start ' .. run)) then return { row.run, 1 } end
if replaces == '' and row.status then return { 'err', 'exists', instance, row.status } end
if replaces ~= '' then
  if not row.status then return { 'err', 'missing', instance } end
  if row.run ~= replaces then return { 'err', 'exists', instance, row.status } end
  if open and row.status ~= 'stalled' then return { 'err', 'open', instance, row.status } end
end

local s = { instance = instance, run = run, workflow = workflow, queue = queue, started = news[1].event,
  custom = custom, retention_ms = retention_ms, priority = priority, lane = lane, attributes = {}, reason = reason }
for _, attribute in ipairs(attributes) do s.attributes[attribute.name] = attribute.value end
if timeout_ms >= 0 then s.timeout_ms = timeout_ms end

if open then ends.terminate(instance, row, 'replaced by a rerun', false) end
if row.status then starts.replace(instance, row) end
starts.create(s)
local bytes = 0
for first = 1, #history, 500 do
  local last = math.min(first + 499, #history)
  redis.call('RPUSH', key.history(run), unpack(history, first, last))
  for place = first, last do bytes = bytes + #history[place] end
end
redis.call('HSET', key.instance(instance), 'length', #history, 'bytes', bytes)
for place = 2, #news do
  redis.call('RPUSH', key.inbox(instance), clock.now .. ' ' .. news[place].scope .. ' ' .. news[place].event)
end
messages.flush()
return { run, 1 }
