-- list_instances: instances that meet all conditions, newest created first. It looks at 1,000 of them at most.
-- ARGV  indexes         list    sorted sets that all must be in, named without the partition's prefix
--       id_prefix       string
--       below           string  creation order to go on below, empty: from the newest
--       limit           int
--       created_after   int     ms, that moment included; -1: any
--       created_before  int     ms, that moment not included; -1: any
--       closed_after    int
--       closed_before   int
-- Returns {creation order to go on below, or empty at the end; rows as describing makes them}.
-- @include describing
-- @include selecting

local wanted = { indexes = {}, id_prefix = id_prefix, created_after = created_after, created_before = created_before,
  closed_after = closed_after, closed_before = closed_before, below = below }
for place, index in ipairs(indexes) do wanted.indexes[place] = prefix .. index end

local candidates, more = selecting.candidates(wanted, 1000)
local found, size, last = {}, 0, ''
for place, candidate in ipairs(candidates) do
  if selecting.fits(candidate.instance, wanted) then
    local row, bytes = describing.row(candidate.instance)
    if row then
      found[#found + 1] = row
      size = size + bytes
    end
  end
  last = candidate.order
  -- Results and custom statuses may be large: a page ends at about a megabyte.
  if (#found >= limit or size > 1048576) and (place < #candidates or more) then return { last, found } end
end
return { more and last or '', found }
