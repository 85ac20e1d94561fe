-- measuring: how many tasks wait in each queue, how many are on lease, and for how long the oldest has waited.
-- @include clock
-- @include streams
-- @include unknowns

local most = 1000 -- queues, and entries of workers' streams, that one script looks at

-- Entries queued and on lease, and the age of the oldest that nobody has taken.
local function measure(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return 0, 0, 0 end
  local pending, delivered = 0, '0-0'
  for place = 1, #(groups[1] or {}), 2 do
    if groups[1][place] == 'pending' then pending = groups[1][place + 1] end
    if groups[1][place] == 'last-delivered-id' then delivered = groups[1][place + 1] end
  end
  local queued = redis.call('XLEN', stream) - pending
  -- A wake entry is no task, and if there is one it is the first of what nobody has taken (see streams.wake).
  local unread = redis.call('XRANGE', stream, '(' .. delivered, '+', 'COUNT', 2)
  if unread[1] and streams.fields(unread[1]).kind == 'wake' then
    queued = queued - 1
    table.remove(unread, 1)
  end
  local age = unread[1] and math.max(0, clock.now - tonumber(string.match(unread[1][1], '^%d+'))) or 0
  return queued, pending, age
end

-- Tasks and questions on the streams of workers belong to the queues of their instances: {queue = {queued, leased}}.
local function sticky(workers)
  local counts, left = {}, most
  for _, worker in ipairs(workers) do
    if left <= 0 then break end
    local stream, leased = key.worker(worker), {}
    for _, entry in ipairs(streams.pending(stream, worker, left)) do leased[entry[1]] = true end
    for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+', 'COUNT', left)) do
      left = left - 1
      local fields = streams.fields(entry)
      local queue = fields.instance and redis.call('HGET', key.instance(fields.instance), 'queue')
      if queue then
        counts[queue] = counts[queue] or { 0, 0 }
        local place = leased[entry[1]] and 2 or 1
        counts[queue][place] = counts[queue][place] + 1
      end
    end
  end
  return counts
end

-- {name, workflow tasks queued, leased, activity tasks queued, leased, age of the oldest, unknown names} of each.
function measuring.queues(workers)
  local queues, order, on_workers = {}, {}, sticky(workers)
  local members = redis.call('SMEMBERS', key.queues())
  for place = 1, math.min(#members, most) do
    local kind, name = string.sub(members[place], 1, 1), string.sub(members[place], 3)
    local queue = queues[name]
    if not queue then
      local own = on_workers[name] or { 0, 0 }
      queue = { name, own[1], own[2], 0, 0, 0, unknowns.names(name, most) }
      queues[name], order[#order + 1] = queue, queue
    end
    local at = kind == 'w' and 2 or 4
    local queued, leased, age = measure(kind == 'w' and key.workflows(name) or key.activities(name))
    queue[at], queue[at + 1], queue[6] = queue[at] + queued, queue[at + 1] + leased, math.max(queue[6], age)
  end
  return order
end
