-- @include indexes
-- attribute_changes: the indexed values of an instance, changed by its code.

-- All attributes before and after these changes; and a refusal if they are too many.
function attribute_changes.merge(instance, changes, removed, limits)
  local old = indexes.unpack(redis.call('HGET', key.instance(instance), 'attributes'))
  local merged, count = {}, 0
  for name, value in pairs(old) do merged[name] = value end
  for _, name in ipairs(removed) do merged[name] = nil end
  for _, change in ipairs(changes) do merged[change.name] = change.value end
  for _ in pairs(merged) do count = count + 1 end
  if count > tonumber(limits.attributes) then
    return nil, { 'err', 'limit', 'attributes of ' .. instance, limits.attributes, '' }
  end
  return { old = old, new = merged }
end

function attribute_changes.write(instance, row, merged)
  for name in pairs(merged.old) do
    if merged.new[name] == nil then indexes.attribute(instance, row, name, merged.old[name], nil) end
  end
  for name, value in pairs(merged.new) do indexes.attribute(instance, row, name, merged.old[name], value) end
  local packed = next(merged.new) and cmsgpack.pack(merged.new) or ''
  redis.call('HSET', key.instance(instance), 'attributes', packed)
end
