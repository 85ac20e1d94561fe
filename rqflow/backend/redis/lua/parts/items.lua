-- items: goes behind each script of many calls, and carries them out one after another. One that breaks harms no other.
-- ARGV is how many there are, and for each of them how many arguments it has, and these.
-- Returns {answers, {number of one that broke, its error, …}}; a script of one call breaks itself, with its line.
-- @include bulk
if ARGV[1] == '1' then return { { item(2) }, {} } end
local answers, broken, at = {}, {}, 2
bulk.begin()
for number = 1, tonumber(ARGV[1]) do
  local done, answer = pcall(item, at)
  if not done then
    broken[#broken + 1] = number
    broken[#broken + 1] = type(answer) == 'table' and answer.err or 'ERR ' .. tostring(answer)
  end
  answers[number] = done and answer or 0
  at = at + 1 + tonumber(ARGV[at])
end
bulk.finish()
return { answers, broken }
