-- look_waits: more of what an instance waits for, and of its children: a page of each.
-- ARGV  instance  string
--       run       string
--       waits     string  cursor, 0: no more of them
--       children  string  cursor, 0: no more of them
-- Returns {findings, claims, cursors of the next pages}; nothing is wrong with what is not there any more.
-- @include child_looks
-- @include claims
-- @include findings
-- @include rows
-- @include wait_looks

local row = rows.read(instance, 'run')
if row.run ~= run then return { {}, {}, '0', '0' } end
if waits ~= '0' then waits = wait_looks.page(instance, run, waits) end
if children ~= '0' then children = child_looks.page(instance, children) end
return { findings.list, claims.open, waits, children }
