-- drop_outbox: messages that have been received are forgotten.
-- ARGV  ids  list
-- Returns 1.

for first = 1, #ids, 500 do
  redis.call('XDEL', key.outbox(), unpack(ids, first, math.min(first + 499, #ids)))
end
return 1
