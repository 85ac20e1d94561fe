-- look_claims: which claims are still made, or which are met.
-- ARGV  side    string  made: this is the partition of those that claim; met: of those of which it is claimed
--       other   int     the partition on the other side
--       wanted  rows(kind,instance,field,mark)
-- Returns {1 or 0 of each, 1 if messages to the other partition are under way else 0}.
-- @include claims
-- @include posts

local answers = {}
for place, claim in ipairs(wanted) do
  local done, holds = pcall(claims.holds, side, claim.kind, claim.instance, claim.field, claim.mark)
  -- What cannot be read is found by the look at its owner.
  answers[place] = (holds or not done) and 1 or 0
end
return { answers, posts.under_way(other) and 1 or 0 }
