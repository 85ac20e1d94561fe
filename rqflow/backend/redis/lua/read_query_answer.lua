-- read_query_answer: the answer to a question, while it is kept.
-- ARGV  query  string
-- Returns it as in rows.py, or nothing.

return redis.call('GET', key.query(query))
