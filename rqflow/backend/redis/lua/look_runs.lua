-- look_runs: which of some runs are the current ones of a page of instances.
-- ARGV  cursor  string
--       runs    list
-- Returns {cursor of the next page, runs}.

local wanted, current = {}, {}
for _, run in ipairs(runs) do wanted[run] = true end
local found = redis.call('ZSCAN', key.ids(), cursor, 'COUNT', 200)
for i = 1, #found[2], 2 do
  local run = redis.pcall('HGET', key.instance(found[2][i]), 'run')
  if type(run) == 'string' and wanted[run] then current[#current + 1] = run end
end
return { found[1], current }
