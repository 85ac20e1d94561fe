-- pages: parts of lists that are bounded in items and bytes, so that one reply never holds Redis up for long.

-- Items from `first` on, at most `most` of them and `bytes`, but at least one.
local function page(list, first, most, bytes)
  local items, size, step = {}, 0, 8
  while #items < most do
    local last = math.min(first + #items + step, first + most) - 1
    local read = redis.call('LRANGE', list, first + #items, last)
    for _, item in ipairs(read) do
      size = size + #item
      if size > bytes and #items > 0 then return items end
      items[#items + 1] = item
    end
    if #read < step then break end
    -- Go on in steps that suit the size of the items seen.
    step = math.max(8, math.min(1000, math.floor(bytes * #items / (8 * size + 1))))
  end
  return items
end

function pages.inbox(instance)
  -- Nearly all have one.
  local first = redis.call('LRANGE', key.inbox(instance), '0', '1')
  if #first < 2 then return first end
  return page(key.inbox(instance), 0, 1000, 2097152)
end

function pages.history(run, length, bytes)
  if length <= 1000 and bytes <= 1048576 then return redis.call('LRANGE', key.history(run), 0, -1) end
  return page(key.history(run), 0, 1000, 1048576)
end

function pages.events(run, after, limit)
  return page(key.history(run), after, limit, 2097152)
end
