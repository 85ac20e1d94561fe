-- deliver: a client's news reach an open instance's inbox, once for each request.
-- ARGV  instance     string
--       event        string  encoded SignalReceived, UpdateRequested or CancelRequested
--       request      string  dedup id
--       cancel       int     1 for CancelRequested
--       inbox_limit  int
-- Returns 1, or missing, closed, limit.
-- @include clock
-- @include inbox
-- @include rows
-- @include tasks

local row = rows.light(instance)
if not row.status then return { 'err', 'missing', instance } end
if inbox.repeated(instance, request) then return 1 end
if rows.closed(row) then return { 'err', 'closed', instance, row.status } end
local full = inbox.full(instance, inbox_limit)
if full then return full end
inbox.deliver(instance, row, event, request, cancel == 1)
return 1
