-- look_stream: a page of a task stream's entries, of its leases, and its consumers: what belongs to nobody.
-- ARGV  stream   string  of the stream, without the partition's prefix
--       entries  string  the last id that was seen of the entries, empty: none yet, -: all were
--       leases   string  the same of the leases
-- Returns {findings, ids to go on after}.
-- @include entry_looks
-- @include findings

stream = prefix .. stream
if entries == '' then findings.of(stream, '', entry_looks.consumers, stream) end
if entries ~= '-' then entries = findings.of(stream, '', entry_looks.entries, stream, entries) or '-' end
if leases ~= '-' then leases = findings.of(stream, '', entry_looks.leases, stream, leases) or '-' end
return { findings.list, entries, leases }
