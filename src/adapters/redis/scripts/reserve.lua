#!lua
-- reserve: decides about a batch of attempts, in order, and writes what it accepted as one entry of the stream.
-- KEYS: meta buyers reservations leases stream
-- ARGV: epoch leaseId attempts
-- ROWS: rid buyerId quantity
-- Returns: seqBefore, left, leaseLeft (-1: no such lease), nowMs, holdMs, verdicts (> 0 sequence number, <= 0 see port)
-- Errors: BUCKET_MISSING FENCED FOREIGN GATE_CLOSED
-- Keeps: R1 R2 R3 S3 S4. Cost: 4 reads; with acceptances 4 writes more, 6 when a lease was drawn on.
-- The shebang makes Redis refuse the whole call when memory is full. A refusal writes nothing at all.
local meta, buyers, reservations, leases, stream = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, leaseId, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = redis.call('HMGET', meta, 'epoch', 'run', 'gate', 'opens', 'closes', 'paused', 'limit', 'hold',
  'available', 'leased', 'reserved', 'seq')
local refusal = refuse(known[1], epoch, known[2])
if refusal then return refusal end
if known[3] ~= '1' then return redis.error_reply('GATE_CLOSED the gate is closed') end
local limit, hold = tonumber(known[7]), tonumber(known[8])
local available, leased, reserved, seq = tonumber(known[9]), tonumber(known[10]), tonumber(known[11]), tonumber(known[12])
local seqBefore, now = seq, nowMs()

local window = false
if now >= tonumber(known[5]) then window = -3
elseif known[6] == '1' then window = -4
elseif now < tonumber(known[4]) then window = -2 end

-- The lease that was named: 'left|expiresAtMs|nodeId'. One that expired or was taken back is no error, it is nothing.
local lease, leaseLeft, areRevoked = false, -1, false
if leaseId ~= '' then
  lease = redis.call('HGET', leases, leaseId)
  if lease then
    local left, expires = string.match(lease, '^(%d+)|(%d+)|')
    if tonumber(expires) > now then leaseLeft = tonumber(left) end
  end
end
local leaseLeftBefore = leaseLeft

-- Base 36 keeps a remembered instant short: eight bytes a unit.
local instant, rest = '', now
repeat
  local digit = rest % 36
  instant = string.sub('0123456789abcdefghijklmnopqrstuvwxyz', digit + 1, digit + 1) .. instant
  rest = (rest - digit) / 36
until rest == 0

local rids, owners = {}, {}
for i = 1, count do rids[i] = ARGV[3 * i + 1]; owners[i] = ARGV[3 * i + 2] end
local remembered, held = {}, {}
if count > 0 then
  remembered = redis.call('HMGET', reservations, unpack(rids))
  held = redis.call('HMGET', buyers, unpack(owners))
end
local own, units, verdicts, rows, records = {}, {}, {}, {}, {}
for i = 1, count do
  local rid, buyer, text = rids[i], owners[i], ARGV[3 * i + 3]
  local quantity = tonumber(text)
  local before = remembered[i] or own[rid]
  if before then
    -- A repeat is recognised before window, limit and stock: who was accepted once stays accepted.
    local sign, number, itsQuantity, itsBuyer = string.match(before, '^(%-?)(%d+)|(%d+)|([^|]*)|')
    if itsBuyer ~= buyer or itsQuantity ~= text then verdicts[i] = -6
    elseif sign == '-' then verdicts[i] = -8
    elseif number == '0' then verdicts[i] = -7
    else verdicts[i] = tonumber(number) end
  elseif not quantity or quantity < 1 or quantity ~= math.floor(quantity) or quantity > limit then verdicts[i] = -5
  elseif window then verdicts[i] = window
  else
    local has = units[buyer] or tonumber(held[i] or '0')
    local fromLease = math.max(leaseLeft, 0)
    if has + quantity > limit then verdicts[i] = -1
    elseif available + leased < quantity then verdicts[i] = 0
    else
      if available + fromLease < quantity then
        -- Leases are soft: what they gave is recorded here and nowhere else, so taking them back sells nothing twice.
        available, leased, leaseLeft, fromLease, areRevoked = available + leased, 0, -1, 0, true
      end
      fromLease = math.min(fromLease, quantity)
      if fromLease > 0 then leaseLeft = leaseLeft - fromLease; leased = leased - fromLease end
      available = available - (quantity - fromLease)
      seq = seq + 1
      reserved = reserved + quantity
      units[buyer] = has + quantity
      local record = string.format('%d|%d|%s|%s', seq, quantity, buyer, instant)
      own[rid] = record
      records[#records + 1] = rid
      records[#records + 1] = record
      rows[#rows + 1] = string.format('%d %d %s %s', seq, quantity, buyer, rid)
      verdicts[i] = seq
    end
  end
end

if #rows > 0 then
  -- First, because only this write can be refused: an id that is not the highest means that numbers went back.
  redis.call('XADD', stream, string.format('%d-0', seq), 'v', '1', 'e', epoch, 't', string.format('%d', now),
    'h', known[8], 'r', table.concat(rows, '\n'))
  local counts = {}
  for buyer, quantity in pairs(units) do counts[#counts + 1] = buyer; counts[#counts + 1] = quantity end
  redis.call('HSET', reservations, unpack(records))
  redis.call('HSET', buyers, unpack(counts))
  redis.call('HSET', meta, 'available', available, 'leased', leased, 'reserved', reserved, 'seq', seq)
  if areRevoked then redis.call('DEL', leases)
  elseif leaseLeft ~= leaseLeftBefore then
    -- The parentheses matter: gsub returns two values, and the second would become one more argument.
    redis.call('HSET', leases, leaseId, (string.gsub(lease, '^%d+', tostring(leaseLeft), 1)))
  end
end
return { seqBefore, available + leased, leaseLeft, now, hold, verdicts }
