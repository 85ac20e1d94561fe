-- complete_activity: an activity's end becomes news of its run, once (P5).
-- ARGV  instance  string
--       run       string
--       id        string
--       token     string  the attempt's fence
--       event     string  encoded ActivityCompleted or ActivityFailed
-- Returns 1, or lease.
-- @many
-- @include activities
-- @include clock
-- @include inbox
-- @include rows
-- @include tasks

local record = activities.held(run, id, token)
if not record then return { 'err', 'lease', token } end
local row = rows.open(instance)
inbox.push(instance, row, 'r', event)
activities.forget(instance, run, id, record)
return 1
