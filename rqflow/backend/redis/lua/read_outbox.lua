-- read_outbox: the oldest messages that wait to be relayed, at most 1 MiB of them but at least one.
-- ARGV  limit  int
-- Returns {{id, to, body}, …}.
-- @include clock
-- @include lifecycle
-- @include streams

local found, bytes, partitions = {}, 0, tonumber(redis.call('HGET', key.meta(), 'partitions'))
for _, entry in ipairs(redis.call('XRANGE', key.outbox(), '-', '+', 'COUNT', limit)) do
  local fields = streams.fields(entry)
  local to = string.match(fields.to or '', '^%d+$') and tonumber(fields.to)
  if not (fields.body and to and (not partitions or to < partitions)) then
    -- P7: what is no message must not stop those behind it.
    lifecycle.broken(key.outbox() .. ' ' .. entry[1], 'it is no message to a partition')
    redis.call('XDEL', key.outbox(), entry[1])
  else
    bytes = bytes + #fields.body
    if #found > 0 and bytes > 1048576 then break end
    found[#found + 1] = { entry[1], to, fields.body }
  end
end
return found
