#!lua flags=no-writes
-- audit: one look at everything that is counted in a bucket, and in as many more. Never fenced; works when memory is full.
-- KEYS: meta leases
-- ARGV:
-- Those two keys again for each further bucket, which on a Cluster there may not be.
-- Returns: for each bucket, in their order, nothing when there is none, else a list: epoch, isOpen, isRegistered, available,
--   leased, leaseSum, reserved, grantedIn, seq, committedSeq, nowMs, all as numbers
-- Errors: none
-- Cost: 2 reads, and 2 more a bucket.
local run, now = runId(), nowMs()

local function look(meta, leases)
  local known = redis.call('HMGET', meta, 'epoch', 'gate', 'run', 'available', 'leased', 'reserved', 'granted', 'seq',
    'committed')
  if not known[1] then return false end
  local sum, all = 0, redis.call('HVALS', leases)
  for i = 1, #all do sum = sum + tonumber(string.match(all[i], '^(%d+)|')) end
  return {
    tonumber(known[1]), tonumber(known[2]), known[3] == run and 1 or 0, tonumber(known[4]), tonumber(known[5]), sum,
    tonumber(known[6]), tonumber(known[7]), tonumber(known[8]), tonumber(known[9]), now,
  }
end
local answers = { look(KEYS[1], KEYS[2]) }
for at = 3, #KEYS, 2 do answers[#answers + 1] = look(KEYS[at], KEYS[at + 1]) end
return answers
