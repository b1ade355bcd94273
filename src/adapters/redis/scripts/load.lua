#!lua
-- load: fills a prepared bucket with what Postgres knows of buyers or of reservations. The same again changes nothing.
-- KEYS: meta buyers reservations
-- ARGV: epoch kind
-- ROWS: id value
-- Returns: 1
-- Errors: BUCKET_MISSING FENCED FOREIGN GATE_OPEN
-- kind 'buyers': id is a buyer, value its units; 'reservations': id is a rid, value as in the key, with number 0.
-- Cost: 2 reads, 1 write.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'run', 'gate')
local refusal = refuse(known[1], ARGV[1], known[2])
if refusal then return refusal end
if known[3] == '1' then return redis.error_reply('GATE_OPEN the gate is open') end
if #ARGV > 2 then redis.call('HSET', ARGV[2] == 'buyers' and KEYS[2] or KEYS[3], unpack(ARGV, 3)) end
return 1
