-- receive: messages of another partition are delivered in order, each once, however often it is sent.
-- ARGV  source    int
--       incoming  rows(ms,number,body)  the two halves of an id
-- Returns how many were new.
-- @include lifecycle
-- @include messages

local ms, number = string.match(redis.call('HGET', key.received(), source) or '0-0', '^(%d+)-(%d+)$')
ms, number = tonumber(ms), tonumber(number)
local fresh = {}
for _, message in ipairs(incoming) do
  local its_ms, its_number = tonumber(message.ms), tonumber(message.number)
  if its_ms > ms or (its_ms == ms and its_number > number) then
    ms, number = its_ms, its_number
    fresh[#fresh + 1] = message
  end
end
if #fresh == 0 then return 0 end
redis.call('HSET', key.received(), source, string.format('%.0f-%.0f', ms, number))
for _, message in ipairs(fresh) do
  -- One at a time: what a message leads to must not overtake those behind it (see messages.flush).
  if source == partition then messages.arrived() end
  local readable, content = pcall(cmsgpack.unpack, message.body)
  if readable then messages.handle(content) else lifecycle.broken(message.body, content) end
  messages.flush()
end
return #fresh
