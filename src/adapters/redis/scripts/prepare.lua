#!lua
-- prepare: wipes a bucket and starts it in an epoch, empty, its gate closed, registered to this server.
-- KEYS: meta buyers reservations leases credits stream previousStream
-- ARGV: epoch previousEpoch group retainMs saleId revision opensAt closesAt isPaused perBuyerMax holdMs
-- Returns: 1 done; 0 refused: in a later epoch, open in this one, or with acceptances in this one; -1: the bucket's epoch
--   is not previousEpoch ('' = no bucket), look again
-- Errors: none
-- Keeps: R1 R2 R3. Cost: 2 reads, 4 writes. What the previous epoch accepted stays readable for retainMs.
local meta, stream, previousStream = KEYS[1], KEYS[6], KEYS[7]
local epoch, previousEpoch = ARGV[1], ARGV[2]
local known = redis.call('HMGET', meta, 'epoch', 'gate', 'seq')
if (known[1] or '') ~= previousEpoch then return -1 end
if known[1] then
  if tonumber(known[1]) > tonumber(epoch) then return 0 end
  if known[1] == epoch and (known[2] == '1' or known[3] ~= '0') then return 0 end
end
redis.call('UNLINK', meta, KEYS[2], KEYS[3], KEYS[4], KEYS[5], stream)
if previousStream ~= stream then redis.call('PEXPIRE', previousStream, ARGV[4]) end
redis.call('XGROUP', 'CREATE', stream, ARGV[3], '0', 'MKSTREAM')
redis.call('HSET', meta, 'epoch', epoch, 'run', runId(), 'sale', ARGV[5], 'gate', '0', 'revision', ARGV[6],
  'opens', ARGV[7], 'closes', ARGV[8], 'paused', ARGV[9], 'limit', ARGV[10], 'hold', ARGV[11],
  'available', 0, 'leased', 0, 'reserved', 0, 'granted', 0, 'seq', 0, 'committed', 0)
return 1
