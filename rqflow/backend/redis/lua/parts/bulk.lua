-- bulk: writes that no call of a group reads: gathered, and made for all of them by few commands, when they are done.
-- A call makes a write of its own before it gathers any, which is the one that memory may refuse (P2): what was
-- gathered is then always made, also if the call breaks. Out of a group each is made at once.

-- By key, what is to be added, dropped and removed; how that is written; and by series, its last number.
local gathered, write, numbers = { add = {}, drop = {}, remove = {} }, {}, {}
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
  for verb, lists in pairs(gathered) do
    local list = lists[name]
    lists[name] = nil
    if list then write[verb](name, unpack(list)) end
  end
end

-- A new list for a key, which has one at a time: its writes keep their order. One that someone spoiled breaks each call
-- that asks, by the command of the kind that it should be, and no other (P7).
local function list_of(lists, name, size)
  bulk.settle(name)
  redis.call(size, name)
  lists[name] = {}
  return lists[name]
end

-- From here on writes are gathered.
function bulk.begin()
  for verb in pairs(gathered) do write[verb] = bulk[verb] end
  local added, dropped, removed = gathered.add, gathered.drop, gathered.remove

  function bulk.add(set, score, member)
    local list = added[set] or list_of(added, set, 'ZCARD')
    local size = #list
    list[size + 1], list[size + 2] = score, member
    if size > MOST then bulk.settle(set) end
  end

  function bulk.drop(set, member)
    local list = dropped[set] or list_of(dropped, set, 'ZCARD')
    list[#list + 1] = member
    if #list > MOST then bulk.settle(set) end
  end

  function bulk.remove(stream, entry)
    local list = removed[stream] or list_of(removed, stream, 'XLEN')
    list[#list + 1] = entry
    if #list > MOST then bulk.settle(stream) end
  end

  function bulk.number(series, number) numbers[series] = number end
end

function bulk.finish()
  for series, number in pairs(numbers) do redis.call('HSET', key.counters(), series, number) end
  for verb, lists in pairs(gathered) do
    for name, list in pairs(lists) do write[verb](name, unpack(list)) end
  end
end
