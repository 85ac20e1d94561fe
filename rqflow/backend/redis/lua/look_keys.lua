-- look_keys: whose keys these are: a key has an owner, or a life that ends, or is the partition's own.
-- ARGV  names  rows(name,kind,argument,type)
-- Returns findings.
-- @include findings
-- @include ownership

for _, one in ipairs(names) do
  local name = prefix .. one.name
  -- One that has gone since it was seen had a life that ended.
  local type = redis.call('TYPE', name).ok
  if type ~= 'none' and type ~= one.type then
    findings.add('key_type', name, '', type)
  elseif type ~= 'none' and findings.of(name, '', ownership.known, one.kind, one.argument) == false then
    findings.add('key_extra', name, '', one.kind)
  end
end
return findings.list
