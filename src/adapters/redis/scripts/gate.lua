#!lua flags=allow-oom
-- gate: opens or closes a bucket. Closing works on any server and when memory is full.
-- KEYS: meta
-- ARGV: epoch isOpen
-- Returns: 1
-- Errors: BUCKET_MISSING FENCED FOREIGN (opening only)
-- Cost: 1 to 2 reads, 1 write.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'run')
local refusal = refuseEpoch(known[1], ARGV[1])
if not refusal and ARGV[2] == '1' then refusal = refuse(known[1], ARGV[1], known[2]) end
if refusal then return refusal end
redis.call('HSET', KEYS[1], 'gate', ARGV[2])
return 1
