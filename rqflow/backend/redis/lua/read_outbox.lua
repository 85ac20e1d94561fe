-- read_outbox: the oldest messages that wait to be relayed, at most 1 MiB of them but at least one.
-- ARGV  limit  int
-- Returns {{id, to, body}, …}.

local found, bytes = {}, 0
for _, entry in ipairs(redis.call('XRANGE', key.outbox(), '-', '+', 'COUNT', limit)) do
  local fields = entry[2]
  bytes = bytes + #fields[4]
  if #found > 0 and bytes > 1048576 then break end
  found[#found + 1] = { entry[1], fields[2], fields[4] }
end
return found
