-- news: the few events that the store itself makes, as core/wire.py would write them (a test holds them to it).

-- JSON text of a string. cjson also escapes slashes, which is valid but not what others write.
local function text(value)
  return (string.gsub(cjson.encode(value), '\\/', '/'))
end

local function numbered(type, id, payload)
  return '[1,"' .. type .. '",' .. id .. ']' .. (payload and ('\n' .. payload) or '')
end

function news.failure(type, message, kind)
  return '{"type":"rqflow.errors.' .. type .. '","message":' .. text(message) .. ',"kind":"' .. kind .. '"}'
end

function news.timer_fired(id) return numbered('TimerFired', id) end

function news.activity_failed(id, failure) return numbered('ActivityFailed', id, failure) end

function news.child_started(id, run) return '[1,"ChildStarted",' .. id .. ',' .. text(run) .. ']' end

function news.child_completed(id, payload) return numbered('ChildCompleted', id, payload) end

function news.child_failed(id, failure) return numbered('ChildFailed', id, failure) end

function news.signal_delivered(id) return numbered('SignalDelivered', id) end

function news.signal_failed(id, failure) return numbered('SignalFailed', id, failure) end

function news.cancel_requested(reason) return '[1,"CancelRequested",' .. text(reason) .. ']' end

function news.terminated(reason) return '[1,"WorkflowTerminated",' .. text(reason) .. ']' end

function news.timed_out() return '[1,"WorkflowTimedOut"]' end
