#!lua flags=allow-oom
-- lease: lends units to a node, prolongs or ends a loan; whatever it does, loans whose time is over come back first.
-- KEYS: meta leases
-- ARGV: epoch op leaseId nodeId units ttlMs
-- Returns: units of the lease (-1: there is none), available, leased, nowMs
-- Errors: BUCKET_MISSING FENCED FOREIGN GATE_CLOSED (acquire only)
-- Keeps: R1 R2. Cost: 3 reads, up to 3 writes. Works when memory is full: it takes a few bytes and may give units back.
local meta, leases = KEYS[1], KEYS[2]
local op, leaseId, nodeId, wanted, ttl = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local known = redis.call('HMGET', meta, 'epoch', 'run', 'gate', 'available', 'leased')
local refusal = refuse(known[1], ARGV[1], known[2])
if refusal then return refusal end
if op == 'acquire' and known[3] ~= '1' then return redis.error_reply('GATE_CLOSED the gate is closed') end
local available, leased, now = tonumber(known[4]), tonumber(known[5]), nowMs()

local all, dead, live, mine = redis.call('HGETALL', leases), {}, 0, false
for i = 1, #all, 2 do
  local left, expires, node = string.match(all[i + 1], '^(%d+)|(%d+)|(.*)$')
  left = tonumber(left)
  if tonumber(expires) <= now then
    dead[#dead + 1] = all[i]
    available, leased = available + left, leased - left
  else
    live = live + 1
    if all[i] == leaseId then mine = left; nodeId = node end
  end
end
local isChanged = #dead > 0
if isChanged then redis.call('HDEL', leases, unpack(dead)) end

local units = -1
if op == 'sweep' then units = -1
elseif op == 'acquire' and mine then units = mine
elseif op == 'acquire' then
  -- Half of a fair share at most, so that the last units stay where every node finds them.
  local share = math.floor(available / (2 * (live + 1)))
  local lent = math.min(wanted, math.max(share, math.min(1, available)))
  if lent > 0 then
    redis.call('HSET', leases, leaseId, string.format('%d|%d|%s', lent, now + ttl, nodeId))
    available, leased, units, isChanged = available - lent, leased + lent, lent, true
  end
elseif mine then
  units = mine
  if op == 'renew' then redis.call('HSET', leases, leaseId, string.format('%d|%d|%s', mine, now + ttl, nodeId))
  else
    redis.call('HDEL', leases, leaseId)
    available, leased, isChanged = available + mine, leased - mine, true
  end
end
if isChanged then redis.call('HSET', meta, 'available', available, 'leased', leased) end
return { units, available, leased, now }
