-- start: an instance begins, or the policies say what happens instead. The same run is the same start.
-- ARGV  instance        string
--       run             string            the request id, too
--       workflow        string
--       queue           string
--       started         string            encoded WorkflowStarted
--       on_conflict     string            fail, use_existing, terminate_existing
--       on_reuse        string            allow, allow_failed, reject
--       delay_ms        int
--       at_ms           int               -1: none
--       timeout_ms      int               -1: none
--       retention_ms    string
--       attributes      rows(name,value)  value as JSON text
--       custom          string            custom status
--       priority        string
--       lane            string
--       signal          string            encoded SignalReceived, or empty
--       signal_request  string
--       inbox_limit     int
-- Returns {run that is current, 1 if created (now or by the same request) else 0}, or exists, limit.
-- @many
-- @include clock
-- @include indexes
-- @include lifecycle
-- @include new_rows
-- @include rows
-- @include starts
-- @include tasks
-- @later due
-- @later ends
-- @later inbox
-- @later messages
-- @later streams

messages.waiting, messages.left = {}, 0
local row = rows.light(instance)
local open = row.status and not rows.closed(row)
if row.status then rows.complete(instance, row) end

local function deliver_signal(target)
  if not inbox.repeated(instance, signal_request) then
    inbox.deliver(instance, target, signal, signal_request, false)
  end
end

if row.status and (row.first == run or inbox.repeated(instance, 'start ' .. run)) then
  if open and signal ~= '' then deliver_signal(row) end
  return { row.run, 1 }
end
if row.status and inbox.repeated(instance, 'used ' .. run) then return { row.run, 0 } end
if open and on_conflict == 'use_existing' then
  local full = signal ~= '' and inbox.full(instance, inbox_limit)
  if full then return full end
  inbox.remember(instance, 'used ' .. run)
  if signal ~= '' then deliver_signal(row) end
  return { row.run, 0 }
end
local failed_only = on_reuse == 'allow_failed' and row.status == 'completed'
if (open and on_conflict == 'fail') or (row.status and not open and (on_reuse == 'reject' or failed_only)) then
  return { 'err', 'exists', instance, row.status }
end

local s = { instance = instance, run = run, workflow = workflow, queue = queue, started = started, custom = custom,
  retention_ms = retention_ms, priority = priority, lane = lane, attributes = {} }
for _, attribute in ipairs(attributes) do s.attributes[attribute.name] = attribute.value end
local start_ms = math.max(at_ms, clock.now + delay_ms)
if start_ms > clock.now then s.start_ms = start_ms end
if timeout_ms >= 0 then s.timeout_ms = timeout_ms end

if open then ends.terminate(instance, row, 'replaced by another start', false) end
if row.status then starts.replace(instance, row) end
if s.start_ms then bulk.settle(key.due()) end
local soonest = s.start_ms and due.next()
starts.create(s)
if signal ~= '' then deliver_signal(s) end
if s.start_ms and (not soonest or soonest > s.start_ms) then streams.wake(key.workflows(queue)) end
if open then messages.flush() end
return { run, 1 }
