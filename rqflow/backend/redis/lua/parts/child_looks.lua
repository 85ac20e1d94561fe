-- @include claims
-- @include findings
-- child_looks: the open children that an instance knows of.

-- A page of them; where the next one begins.
function child_looks.page(instance, cursor)
  local name = key.children(instance)
  local found = redis.call('HSCAN', name, cursor, 'COUNT', 100)
  for i = 1, #found[2], 2 do
    local link = findings.of(name, instance, cmsgpack.unpack, found[2][i + 1])
    if type(link) == 'table' then claims.check('child', instance, found[2][i], link.child, '', link.to) end
  end
  return found[1]
end
