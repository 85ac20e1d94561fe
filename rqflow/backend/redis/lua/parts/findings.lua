-- findings: what a look at the store finds wrong: {word, key without prefix, instance, detail}; verify/violations.py
-- has the words.
findings.list = {}

function findings.add(word, name, instance, detail)
  findings.list[#findings.list + 1] = { word, string.sub(name, #prefix + 1), instance or '', tostring(detail or '') }
end

-- What `look` answers. Keys that are so spoiled that it breaks are a finding, and stop no other look.
function findings.of(name, instance, look, ...)
  local done, answer = pcall(look, ...)
  if done then return answer end
  findings.add('unreadable', name, instance, type(answer) == 'table' and answer.err or answer)
end
