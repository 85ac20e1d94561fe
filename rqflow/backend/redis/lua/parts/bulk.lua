-- bulk: writes that no call of a group reads: gathered, and made for all of them by few commands, when they are done.
-- A call makes a write of its own before it gathers any, which is the one that memory may refuse (P2): what was
-- gathered is then always made, also if the call breaks. Out of a group each is made at once.

local gathered, numbers = {}, {} -- by key: what is written to it, and how; by series: its last number
local MOST = 500

-- Members of a sorted set: score, member, ….
function bulk.add(set, ...) redis.call('ZADD', set, ...) end

function bulk.drop(set, ...) redis.call('ZREM', set, ...) end

-- Entries of a stream, with their leases.
function bulk.remove(stream, ...)
  redis.call('XACK', stream, group, ...)
  redis.call('XDEL', stream, ...)
end

-- The last number of a series.
function bulk.number(series, number) redis.call('HSET', key.counters(), series, number) end

-- Write what is gathered for a key, at once: somebody reads it.
function bulk.settle(name)
  local list = gathered[name]
  gathered[name] = nil
  if list then list.write(name, unpack(list)) end
end

-- What a key has gathered to be written in this way, and how much that is. Its writes keep their order. One that
-- someone spoiled breaks each call that asks, by the command of the kind that it should be, and no other (P7).
local function list_of(name, write, size)
  local list = gathered[name]
  if list and list.write == write and #list < MOST then return list, #list end
  bulk.settle(name)
  redis.call(size, name)
  list = { write = write }
  gathered[name] = list
  return list, 0
end

-- From here on writes are gathered.
function bulk.begin()
  local add, drop, remove = bulk.add, bulk.drop, bulk.remove

  function bulk.add(set, score, member)
    local list, size = list_of(set, add, 'ZCARD')
    list[size + 1], list[size + 2] = score, member
  end

  function bulk.drop(set, member)
    local list, size = list_of(set, drop, 'ZCARD')
    list[size + 1] = member
  end

  function bulk.remove(stream, entry)
    local list, size = list_of(stream, remove, 'XLEN')
    list[size + 1] = entry
  end

  function bulk.number(series, number) numbers[series] = number end
end

function bulk.finish()
  for series, number in pairs(numbers) do redis.call('HSET', key.counters(), series, number) end
  for name in pairs(gathered) do bulk.settle(name) end
end
