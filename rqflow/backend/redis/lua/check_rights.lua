-- check_rights: which of these commands the user who asks may not run.
-- ARGV  commands  list  each a command and its arguments, with spaces between
-- Returns their numbers, counted from 1; nothing where the server cannot tell (before 7.0).

if not redis.acl_check_cmd then
  return false
end
local lacking = {}
for number, command in ipairs(commands) do
  local words = {}
  for word in string.gmatch(command, '%S+') do
    words[#words + 1] = word
  end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then
    lacking[#lacking + 1] = number
  end
end
return lacking
