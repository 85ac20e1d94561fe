-- @include lifecycle
-- schedule_rows: schedules as they are read, one by one or in pages that are bounded in number and bytes.

local BYTES = 1048576

-- Ends that the state does not know of, oldest first, and their size: at least one, and no more than fit.
local function ends_of(id)
  local ends, size = {}, 0
  for first = 0, 999, 20 do
    for _, one in ipairs(redis.call('LRANGE', key.schedule_ends(id), first, first + 19)) do
      if not one:find('^%S+ %S+ %d+\n') then error({ err = 'an end that waits for it is spoiled' }) end
      if #ends > 0 and size + #one > BYTES then return ends, size end
      ends[#ends + 1] = one
      size = size + #one
    end
    if #ends < first + 20 then break end
  end
  return ends, size
end

-- {id, the fields of rows.SCHEDULE, when it is due or empty, ends}, and its size; nil if there is none.
function schedule_rows.read(id)
  local values = redis.call('HMGET', key.schedule(id), 'generation', 'revision', 'spec', 'args', 'state', 'result',
    'broken', 'created_ms')
  if not values[1] then return nil, 0 end
  if not (tonumber(values[2]) and tonumber(values[8])) then error({ err = 'its row is spoiled' }) end
  local ends, size = ends_of(id)
  size = size + #id
  for place = 1, 8 do
    values[place] = values[place] or ''
    size = size + #values[place]
  end
  return { id, values, redis.call('ZSCORE', key.schedules_due(), id) or '', ends }, size
end

-- Rows of the first of them, and how many those are.
function schedule_rows.page(ids, limit)
  local rows, size = {}, 0
  for place = 1, math.min(#ids, limit) do
    -- P7: what has no row, or a spoiled one, stops no other and is not looked at for ever.
    local sound, row, more = pcall(schedule_rows.read, ids[place])
    if not sound then lifecycle.broken('schedule ' .. ids[place], row) end
    if not sound or not row then
      redis.call('ZREM', key.schedules_due(), ids[place])
    else
      size = size + more
      if place > 1 and size > BYTES then return rows, place - 1 end
      rows[#rows + 1] = row
    end
  end
  return rows, math.min(#ids, limit)
end
