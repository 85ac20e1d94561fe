-- suspend: an open instance gets no more turns; one that is under way may still be committed.
-- ARGV  instance  string
--       reason    string
-- Returns 1, 0 if it was suspended, or missing, closed.
-- @include due
-- @include indexes
-- @include lifecycle
-- @include rows
-- @include tasks

local row = rows.live(instance)
if not row.status then return { 'err', 'missing', instance } end
if rows.closed(row) then return { 'err', 'closed', instance, row.status } end
if row.status == 'suspended' then return 0 end
redis.call('HSET', key.instance(instance), 'status', 'suspended', 'reason', reason)
if row.status == 'pending' then due.remove('start', 0, row.run, instance) end
indexes.move(instance, row, 'suspended')
local stream, entry = tasks.place(row.task)
if not stream or not tasks.owner(stream, entry) then
  tasks.drop(instance, row)
  redis.call('HSET', key.instance(instance), 'task', '')
end
lifecycle.event('suspended', instance, row, '', reason)
lifecycle.notify(instance)
return 1
