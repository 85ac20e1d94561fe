-- commit: one turn of an instance becomes durable, or nothing of it does (P2). It beats nobody who holds the task.
-- ARGV  instance           string
--       run                string
--       token              string   the fence: another one's turn is refused (P3)
--       expected_length    int      the second fence
--       consumed           int      inbox events that move to the history
--       close              string   empty, completed, failed, canceled, continue, keep: the turn goes on, under its token
--       result             string
--       sticky             string   the worker, if it keeps the executor
--       build              string
--       limits             rows(outstanding,attributes,events,bytes,children)
--       records            list     encoded records, and the end
--       activities         rows(id,name,queue,payload,options,start_ms,total_ms,priority,lane)
--       timers             rows(id,delay_ms)
--       cancel_activities  list
--       cancel_timers      list
--       children           rows(id,to,instance,run,workflow,queue,started,policy,timeout_ms,retention_ms,attributes,priority,lane,tell)
--       sends              rows(id,to,instance,event,cancel)
--       custom             list     the last custom status, if any was set
--       attributes         rows(name,value)
--       removed            list     names of attributes
--       emitted            rows(name,payload)
--       answers            rows(update,answer)  answer as in rows.py
--       next_run           rows(run,workflow,queue,timeout_ms,started)  of continue
--       carried            list     encoded events that the next run gets first
-- Returns {1 if closed, 1 if the next task is queued, messages left, if kept the news that came}, or lease, limit.
-- @many
-- @include activities
-- @include clock
-- @include orders
-- @include rows
-- @include tasks
-- @include turns
-- @later attribute_changes
-- @later continuing
-- @later ends
-- @later letters
-- @later lifecycle
-- @later messages
-- @later pages

messages.waiting, messages.left = {}, 0
local kept = close == 'keep'
if kept then close = '' end
local relabeled = #attributes + #removed > 0
local row = (close ~= '' or relabeled) and rows.live(instance) or rows.light(instance)
local turn = row.run == run and row.task == token and turns.gather(instance, row, consumed, records)
if not turn or tonumber(row.length) ~= expected_length then return { 'err', 'lease', token } end
kept = kept and row.status == 'running'
local merged, refused
if relabeled then merged, refused = attribute_changes.merge(instance, attributes, removed, limits[1]) end
refused = refused or orders.room(instance, run, limits[1], #activities + #timers + #children + #sends
  - #cancel_activities - #cancel_timers, #children) or (close == '' and turns.room(row, turn, limits[1]))
if refused then return refused end

-- From here on all is written. The first write is one that is refused when memory is out; then later ones are not.
turns.write(instance, row, turn, kept)
orders.activities(instance, row, activities)
orders.timers(instance, row, timers)
if #cancel_activities + #cancel_timers > 0 then orders.cancel(instance, row, cancel_activities, cancel_timers) end
if #children + #sends > 0 then letters.send_all(instance, row, children, sends) end
if merged then attribute_changes.write(instance, row, merged) end
for i = 1, #emitted do lifecycle.event('emitted', instance, row, emitted[i].name, emitted[i].payload) end
for i = 1, #answers do redis.call('HSET', key.answers(run), answers[i].update, answers[i].answer) end
if not kept then turns.finish(row, token, sticky) end
local fields = { 'build', build, 'losses', '0', #custom > 0 and 'custom' or nil, custom[1] }
if close == 'continue' then
  continuing.begin(instance, row, next_run[1], carried, fields)
elseif close ~= '' then
  ends.close(instance, row, { status = close, result = result, fields = fields })
elseif not kept or #turn.events > 0 then
  turns.save(instance, row, fields)
end
tasks.renew(instance, row)
if close == '' and (#custom > 0 or #answers > 0) then lifecycle.notify(instance) end
if close == '' and not kept and #children + #sends == 0 then return { 0, row.task ~= '' and 1 or 0, 0 } end
messages.flush()
return { rows.closed(row) and 1 or 0, kept and 0 or turns.queued(instance, row), messages.left,
  kept and pages.inbox(instance) or nil }
