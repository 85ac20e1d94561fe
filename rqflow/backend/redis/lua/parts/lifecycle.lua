-- lifecycle: telling the world: the capped event stream, and the notice to whoever waits for an instance.

function lifecycle.event(type, instance, row, name, payload)
  redis.call('XADD', key.events(), 'MAXLEN', '~', '10000', '*', 'at_ms', clock.stamp, 'type', type, 'instance', instance,
    'run', row.run, 'workflow', row.workflow, 'name', name or '', 'payload', payload or '')
end

function lifecycle.notify(instance)
  redis.call('PUBLISH', key.changed(instance), '')
end

-- The notice of an end says what read_outcome would, so that who waits need not ask. What is large is left to be read:
-- a cluster hands each notice to all its nodes.
function lifecycle.ended(instance, row, result)
  local told = #result <= 4096 and row.status .. ' ' .. row.run .. ' ' .. result or ''
  redis.call('PUBLISH', key.changed(instance), told)
end

-- Something that no script could handle is kept for a human, and stops nobody.
function lifecycle.broken(what, problem)
  if type(problem) == 'table' then problem = problem.err end
  redis.call('LPUSH', key.broken(), clock.stamp .. ' ' .. tostring(problem) .. '\n' .. what)
  redis.call('LTRIM', key.broken(), 0, 999)
end
