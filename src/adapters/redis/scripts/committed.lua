#!lua flags=allow-oom
-- committed: remembers up to which sequence number everything was seen committed in Postgres. Never goes back.
-- KEYS: meta
-- ARGV: epoch seq
-- Returns: 1
-- Errors: BUCKET_MISSING FENCED FOREIGN
-- Cost: 2 reads, up to 1 write.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'committed')
local refusal = refuse(known[1], ARGV[1], known[2])
if refusal then return refusal end
if tonumber(ARGV[2]) > tonumber(known[3]) then redis.call('HSET', KEYS[1], 'committed', ARGV[2]) end
return 1
