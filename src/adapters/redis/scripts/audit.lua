#!lua flags=no-writes
-- audit: one look at everything that is counted in a bucket. Never fenced; works when memory is full.
-- KEYS: meta leases
-- ARGV:
-- Returns: nothing when there is no bucket, else epoch, isOpen, isRegistered, available, leased, leaseSum, reserved,
--   grantedIn, seq, committedSeq, nowMs, all as numbers
-- Errors: none
-- Cost: 4 reads.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'gate', 'run', 'available', 'leased', 'reserved', 'granted', 'seq',
  'committed')
if not known[1] then return false end
local sum, all = 0, redis.call('HVALS', KEYS[2])
for i = 1, #all do sum = sum + tonumber(string.match(all[i], '^(%d+)|')) end
return {
  tonumber(known[1]), tonumber(known[2]), known[3] == runId() and 1 or 0, tonumber(known[4]), tonumber(known[5]), sum,
  tonumber(known[6]), tonumber(known[7]), tonumber(known[8]), tonumber(known[9]), nowMs(),
}
