-- @include family
-- @include messages
-- letters: what a turn tells other instances.

-- A signal or a cancel request to another instance. Its number in this run makes it arrive once.
local function send_news(instance, row, send)
  messages.send(send.to, { kind = 'signal', instance = send.instance, event = send.event, cancel = send.cancel == '1',
    request = row.run .. ':' .. send.id, sender = instance, run = row.run, id = send.id, from = partition })
end

local function save(hash, fields)
  for first = 1, #fields, 500 do redis.call('HSET', hash, unpack(fields, first, math.min(first + 499, #fields))) end
end

-- What a turn tells others, in the order in which its code did; both lists are in that order.
function letters.send_all(instance, row, children, sends)
  local next_child, next_send, waits, links = 1, 1, {}, {}
  for at = 1, 2 * (#children + #sends), 2 do
    local child, send = children[next_child], sends[next_send]
    if child and (not send or tonumber(child.id) < tonumber(send.id)) then
      waits[at], waits[at + 1] = 'c:' .. child.id, child.instance
      links[#links + 1], links[#links + 2] = child.run, family.begin(instance, row, child)
      next_child = next_child + 1
    else
      waits[at], waits[at + 1] = 's:' .. send.id, send.instance
      send_news(instance, row, send)
      next_send = next_send + 1
    end
  end
  save(key.outstanding(row.run), waits)
  save(key.children(instance), links)
end
