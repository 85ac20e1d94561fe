-- @include clock
-- @include delivery
-- @include lifecycle
-- messages: what one instance sends to another. In the same partition it is delivered by the same script, when that
-- is done with its own writes; else it goes to the outbox. All messages to one partition stay in their order.

local BUDGET = 200 -- inline deliveries of one script: a family tree of any size is taken down in bounded steps
local delivered = 0
local posted -- how many are under way to ourselves by the outbox; nil: not looked yet

-- What was sent and not flushed, and how much went to the outbox. A script of many calls makes both anew for each of
-- them: what one that broke would have sent is never sent.
messages.waiting, messages.left = messages.waiting or {}, messages.left or 0

function messages.send(to, message)
  local waiting = messages.waiting
  waiting[#waiting + 1] = { to = tonumber(to), message = message }
end

local function post(to, message)
  redis.call('XADD', key.outbox(), '*', 'to', to, 'body', cmsgpack.pack(message))
  messages.left = messages.left + 1
end

-- A message that cannot be handled is set aside: it must not stop those behind it.
function messages.handle(message)
  local done, problem = pcall(delivery.take, message)
  if not done then lifecycle.broken(cmsgpack.pack(message), problem) end
end

-- One that went to ourselves by the outbox has come.
function messages.arrived() posted = redis.call('HINCRBY', key.counters(), 'self', -1) end

-- Deliver or post all that was sent, and what that leads to. Comes last in a script.
function messages.flush()
  local waiting = messages.waiting
  if #waiting == 0 then return end
  -- Once some go to ourselves by the outbox, later ones must not overtake them.
  posted = posted or tonumber(redis.call('HGET', key.counters(), 'self') or 0)
  local before, at = posted, 1
  while waiting[at] do
    local to, message = waiting[at].to, waiting[at].message
    if to ~= partition then
      post(to, message)
    elseif posted == 0 and delivered < BUDGET then
      delivered = delivered + 1
      messages.handle(message)
    else
      posted = posted + 1
      post(to, message)
    end
    waiting[at] = false
    at = at + 1
  end
  messages.waiting = {}
  if posted ~= before then redis.call('HINCRBY', key.counters(), 'self', posted - before) end
end
