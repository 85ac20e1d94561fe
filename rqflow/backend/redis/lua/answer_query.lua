-- answer_query: a question's answer is kept for a minute, if this worker still has the question.
-- ARGV  worker    string
--       instance  string
--       query     string
--       token     string
--       answer    string  as in rows.py
-- Returns 1, or lease.
-- @include lifecycle
-- @include tasks

local stream, entry = tasks.place(token)
if not stream or tasks.owner(stream, entry) ~= worker then return { 'err', 'lease', token } end
redis.call('SET', key.query(query), answer, 'PX', 60000)
tasks.remove(stream, entry)
lifecycle.notify(instance)
return 1
