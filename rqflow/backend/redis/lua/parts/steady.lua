-- steady: goes before each script on a cluster, and ends it there while its slot is on its way to another node.
-- Then some keys are here and some there, and a script would take those that it does not see for absent (P2). Redis
-- answers for two absent keys of a slot only where the whole slot is; else this call fails, before anything is written.
redis.call('EXISTS', key.nowhere('1'), key.nowhere('2'))
