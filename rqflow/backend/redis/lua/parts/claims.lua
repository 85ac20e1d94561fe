-- @include findings
-- @include posts
-- @include rows
-- claims: what one instance says of another one, which may live in another partition: that it has a child, that a
-- signal is on its way to it, that it is its open child. A claim is {kind, instance, field, other, mark}: field is the
-- child's first run or the signal's number, mark a run of the parent or the sender.

local kinds = { child = {}, signal = {}, parent = {} }
claims.open = {}

kinds.child.made = function(instance, first) return redis.call('HEXISTS', key.children(instance), first) == 1 end

kinds.signal.made = function(_, id, run) return redis.call('HEXISTS', key.outstanding(run), 's:' .. id) == 1 end

kinds.parent.made = function(instance, first)
  local row = rows.read(instance, 'first', 'status')
  return row.first == first and not rows.closed(row)
end

kinds.child.met = kinds.parent.made

kinds.signal.met = function() return false end

kinds.parent.met = function(parent, first, run)
  local row = rows.read(parent, 'run', 'status')
  return row.run ~= run or rows.closed(row) or redis.call('HEXISTS', key.children(parent), first) == 1
end

-- Whether a claim is still made by one instance, or met by the other: `side` says which is asked.
function claims.holds(side, kind, instance, field, mark)
  return kinds[kind][side](instance, field, mark)
end

-- It is settled by looks at both partitions, see verify/claims.py.
function claims.leave(kind, instance, field, other, mark)
  claims.open[#claims.open + 1] = { kind, instance, field, other, mark }
end

-- Settled here, if the other one lives `at` this partition and no message is under way.
function claims.check(kind, instance, field, other, mark, at)
  if tonumber(at) ~= partition or posts.under_way(partition) then
    claims.leave(kind, instance, field, other, mark)
  elseif not claims.holds('met', kind, other, field, mark) then
    findings.add('claim_' .. kind, key.instance(instance), instance, other)
  end
end
