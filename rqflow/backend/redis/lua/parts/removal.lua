-- @include due
-- @include indexes
-- removal: the end of everything that is known of a closed instance (P10).

function removal.all(instance, row)
  local packed = redis.call('HGET', key.instance(instance), 'attributes')
  indexes.remove(instance, row, indexes.unpack(packed))
  due.remove('retention', 0, row.run, instance)
  local runs = redis.call('LRANGE', key.runs(instance), 0, -1)
  runs[#runs + 1] = row.run
  for _, run in ipairs(runs) do
    redis.call('UNLINK', key.history(run), key.answers(run), key.outstanding(run), key.attempts(run))
  end
  redis.call('UNLINK', key.instance(instance), key.inbox(instance), key.requests(instance), key.children(instance),
    key.runs(instance))
end
