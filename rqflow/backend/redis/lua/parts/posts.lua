-- posts: which partitions have messages under way from here.

local wanted

-- Whether a message to that partition waits in the outbox; true as well if there are too many to tell.
function posts.under_way(to)
  if not wanted then
    wanted = { many = redis.call('XLEN', key.outbox()) > 1000 }
    local found = wanted.many and {} or redis.call('XRANGE', key.outbox(), '-', '+')
    for _, entry in ipairs(found) do wanted[tonumber(entry[2][2])] = true end
  end
  return wanted.many or wanted[tonumber(to)] or false
end
