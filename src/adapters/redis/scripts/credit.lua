#!lua
-- credit: units arrive in the bucket or leave it, and it learns which reservations ended or were paid after their end.
-- KEYS: meta buyers reservations leases credits
-- ARGV: epoch creditId units notes
-- ROWS: kind rid buyerId
-- Returns: units moved; for a known creditId the same as the first time, and nothing happens
-- Errors: BUCKET_MISSING FENCED FOREIGN
-- Keeps: R1 R2 X1 S4. Cost: 2 reads and 2 writes, a read and 2 writes a note; one deletion when leases are taken back.
local meta, buyers, reservations, leases, credits = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local known = redis.call('HMGET', meta, 'epoch', 'run', 'available', 'leased', 'granted')
local refusal = refuse(known[1], ARGV[1], known[2])
if refusal then return refusal end
local before = redis.call('HGET', credits, ARGV[2])
if before then return tonumber(before) end

local units, available, leased = tonumber(ARGV[3]), tonumber(known[3]), tonumber(known[4])
local areRevoked = -units > available
if areRevoked then available, leased = available + leased, 0 end
if -units > available then units = 0 - available end
redis.call('HSET', credits, ARGV[2], units)
redis.call('HSET', meta, 'available', available + units, 'leased', leased, 'granted', tonumber(known[5]) + units)
if areRevoked then redis.call('DEL', leases) end

for i = 1, tonumber(ARGV[4]) do
  local kind, rid, buyer = ARGV[3 * i + 2], ARGV[3 * i + 3], ARGV[3 * i + 4]
  local record = redis.call('HGET', reservations, rid)
  if record then
    local sign, rest, quantity, owner = string.match(record, '^(%-?)(%d+|(%d+)|([^|]*)|.*)$')
    local hasEnded = sign == '-'
    if owner == buyer and hasEnded ~= (kind == 'ended') then
      redis.call('HSET', reservations, rid, (hasEnded and '' or '-') .. rest)
      local change = hasEnded and tonumber(quantity) or -tonumber(quantity)
      if redis.call('HINCRBY', buyers, buyer, change) <= 0 then redis.call('HDEL', buyers, buyer) end
    end
  end
end
return units
