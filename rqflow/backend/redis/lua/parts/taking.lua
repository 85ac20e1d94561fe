-- @include activities
-- @include backoffs
-- @include clock
-- @include due
-- @include leases
-- @include loading
-- @include streams
-- @include tasks
-- taking: what a worker gets, and what it is told besides.

function taking.take(worker, workflow_queues, activity_queues, workflow_room, activity_room, entries, again)
  -- A worker that was declared dead must not lease what nobody would take back from it.
  local ends = tonumber(redis.call('ZSCORE', key.workers(), worker) or 0)
  if ends == 0 then return { 'err', 'lease', 'of worker ' .. worker } end

  local found = {}
  for _, entry in ipairs(entries) do
    local stream = prefix .. entry.stream
    local read = redis.call('XRANGE', stream, entry.entry, entry.entry)
    loading.load(found, stream, read[1] or { entry.entry })
  end

  local own = key.worker(worker)
  local function read(streams_of, room)
    if again == 1 then
      for _, stream in ipairs(streams_of) do
        for _, entry in ipairs(streams.read(stream, worker, 1000, '0')) do loading.load(found, stream, entry) end
      end
    end
    for _, stream in ipairs(streams_of) do
      -- What turns out to be nothing (dead, or a wake entry) leaves room; three looks keep the script short.
      for _ = 1, 3 do
        if room <= 0 then return end
        local asked, entries_read = room, streams.read(stream, worker, room, '>')
        for _, entry in ipairs(entries_read) do
          if loading.load(found, stream, entry) then room = room - 1 end
        end
        if #entries_read < asked then break end
      end
    end
  end

  local workflow_streams, activity_streams = { own }, {}
  for i, queue in ipairs(workflow_queues) do workflow_streams[i + 1] = key.workflows(queue) end
  for i, queue in ipairs(activity_queues) do activity_streams[i] = key.activities(queue) end
  read(workflow_streams, workflow_room)
  local unwanted = redis.call('LRANGE', key.notices(worker), 0, 999)
  if #unwanted > 0 then
    redis.call('LTRIM', key.notices(worker), #unwanted, -1)
    loading.drop_wakes(own)
    unwanted = backoffs.told(worker, unwanted, activity_room > 0)
  end
  read(activity_streams, activity_room)
  return { clock.now, due.next() or -1, redis.call('XLEN', key.outbox()), found, unwanted, leases.next_lapse(worker),
    clock.past_us }
end
