-- commit: one turn of an instance becomes durable, or nothing of it does (P2). It beats nobody who holds the task.
-- ARGV  worker             string
--       instance           string
--       run                string
--       token              string   the fence: another one's turn is refused (P3)
--       expected_length    int      the second fence
--       consumed           int      inbox events that move to the history
--       records            list     encoded records, and the end
--       close              string   empty, completed, failed, canceled, continue, keep: the turn goes on, under its token
--       result             string
--       sticky             int
--       build              string
--       activities         rows(id,name,queue,payload,options,start_ms,total_ms,priority,lane)
--       cancel_activities  list
--       timers             rows(id,delay_ms)
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
--       limits             rows(outstanding,attributes,events,bytes,children)
-- Returns {1 if closed, 1 if the next task is queued, messages left, if kept the news that came}, or lease, limit.
-- @many
-- @include activities
-- @include clock
-- @include due
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
local row = rows.light(instance)
local turn = row.run == run and row.task == token and turns.gather(instance, row, consumed, records)
if not turn or tonumber(row.length) ~= expected_length then return { 'err', 'lease', token } end
local kept = close == 'keep' and row.status == 'running'
if close == 'keep' then close = '' end
local relabeled = #attributes + #removed > 0
if close ~= '' or relabeled then rows.complete(instance, row) end
local merged, refused
if relabeled then merged, refused = attribute_changes.merge(instance, attributes, removed, limits[1]) end
refused = refused or orders.room(instance, run, limits[1], #activities + #timers + #children + #sends
  - #cancel_activities - #cancel_timers, #children) or (close == '' and turns.room(row, turn, limits[1]))
if refused then return refused end

-- From here on all is written. The first write is one that is refused when memory is out; then later ones are not.
turns.write(instance, row, turn, kept)
orders.activities(instance, row, activities)
orders.timers(instance, row, timers)
orders.cancel(instance, row, cancel_activities, cancel_timers)
if #children + #sends > 0 then letters.send_all(instance, row, children, sends) end
if merged then attribute_changes.write(instance, row, merged) end
for _, event in ipairs(emitted) do lifecycle.event('emitted', instance, row, event.name, event.payload) end
for _, answered in ipairs(answers) do redis.call('HSET', key.answers(run), answered.update, answered.answer) end

turns.finish(instance, row, token, turn, { sticky == 1 and worker or '', build, custom[1], kept })
if close == 'continue' then
  continuing.begin(instance, row, next_run[1], carried)
elseif close ~= '' then
  ends.close(instance, row, { status = close, result = result })
end
tasks.renew(instance, row)
if close == '' and (#custom > 0 or #answers > 0) then lifecycle.notify(instance) end
if close == '' and not kept and #children + #sends == 0 then return { 0, row.task ~= '' and 1 or 0, 0 } end
messages.flush()
local news = kept and pages.inbox(instance) or nil
return { rows.closed(row) and 1 or 0, kept and 0 or turns.queued(instance, row), messages.left, news }
