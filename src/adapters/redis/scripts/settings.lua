#!lua
-- settings: what a bucket must know of its sale. A revision that is not newer changes nothing.
-- KEYS: meta
-- ARGV: epoch revision opensAt closesAt isPaused perBuyerMax holdMs
-- Returns: 1 applied, 0 not newer than what is known
-- Errors: BUCKET_MISSING FENCED FOREIGN
-- Cost: 2 reads, 1 write.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'revision')
local refusal = refuse(known[1], ARGV[1], known[2])
if refusal then return refusal end
if tonumber(ARGV[2]) <= tonumber(known[3]) then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'opens', ARGV[3], 'closes', ARGV[4], 'paused', ARGV[5],
  'limit', ARGV[6], 'hold', ARGV[7])
return 1
