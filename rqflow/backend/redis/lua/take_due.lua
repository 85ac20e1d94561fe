-- take_due: what is due happens, and then as take: in one step, or blocked reads would get some of what it makes.
-- ARGV  worker           string
--       workflow_queues  list
--       activity_queues  list
--       workflow_room    int
--       activity_room    int
--       entries          rows(stream,entry)  leased by a blocked read, to be loaded
--       again            int                 1: what the worker has on lease, too
--       limit            int                 so many due members at most
-- Returns as take, and behind it how many due members were handled, and why they could not be.
-- @include activities
-- @include agenda
-- @include clock
-- @include due
-- @include firing
-- @include inbox
-- @include leases
-- @include loading
-- @include pages
-- @include rows
-- @include streams
-- @include taking
-- @include tasks
-- @later backoffs
-- @later lifecycle
-- @later messages

local fired, unfired = agenda.try(limit)
local taken = taking.take(worker, workflow_queues, activity_queues, workflow_room, activity_room, entries, again)
if taken[1] ~= 'err' then taken[8], taken[9] = fired, unfired end
return taken
