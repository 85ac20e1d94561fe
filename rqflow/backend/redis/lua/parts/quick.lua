-- quick: goes before each script: a local is found more quickly than a field of a global, and a workflow's scripts look
-- for this one a hundred times. The loader has scripts call it under its short name.
local call = redis.call
