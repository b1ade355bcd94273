#!lua flags=allow-oom
-- remove: deletes everything of a bucket, unless it has gone on to a later epoch.
-- KEYS: meta buyers reservations leases credits stream previousStream
-- ARGV: epoch previousEpoch
-- Returns: 1 done; 0 refused: in a later epoch; -1: the bucket's epoch is not previousEpoch ('' = no bucket), look again
-- Errors: none
-- Cost: 1 read, 1 write.
local known = redis.call('HGET', KEYS[1], 'epoch')
if (known or '') ~= ARGV[2] then return -1 end
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
redis.call('UNLINK', unpack(KEYS))
return 1
