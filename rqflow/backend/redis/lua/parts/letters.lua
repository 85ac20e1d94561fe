-- @include family
-- @include messages
-- letters: what a turn tells other instances.

-- A signal or a cancel request to another instance. Its number in this run makes it arrive once.
local function send_news(instance, row, send)
  redis.call('HSET', key.outstanding(row.run), 's:' .. send.id, send.instance)
  messages.send(send.to, { kind = 'signal', instance = send.instance, event = send.event, cancel = send.cancel == '1',
    request = row.run .. ':' .. send.id, sender = instance, run = row.run, id = send.id, from = partition })
end

-- What a turn tells others, in the order in which its code did; both lists are in that order.
function letters.send_all(instance, row, children, sends)
  local next_child, next_send = 1, 1
  for _ = 1, #children + #sends do
    local child, send = children[next_child], sends[next_send]
    if child and (not send or tonumber(child.id) < tonumber(send.id)) then
      family.begin(instance, row, child)
      next_child = next_child + 1
    else
      send_news(instance, row, send)
      next_send = next_send + 1
    end
  end
end
