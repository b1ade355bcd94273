#!lua
-- The least that keeps the promises of an acceptance: recognises a repeat, keeps the limit of a buyer and the stock,
-- remembers the reservation, and writes one outbox entry a batch. No window, pause, lease, epoch, or server check.
-- The yardstick of npm run bench: what our own script costs more than this is the price of everything else it does.
-- KEYS: stock buyers reservations stream
-- ARGV: limit, then rid buyerId quantity for each attempt
-- Returns: a number for each attempt: its sequence number, 0 = empty, -1 = limit reached
local stock = redis.call('HMGET', KEYS[1], 'left', 'seq')
local left, seq, limit = tonumber(stock[1]), tonumber(stock[2]), tonumber(ARGV[1])
local count = (#ARGV - 1) / 3
local rids, owners = {}, {}
for i = 1, count do
  rids[i] = ARGV[3 * i - 1]
  owners[i] = ARGV[3 * i]
end
local known = redis.call('HMGET', KEYS[3], unpack(rids))
local held = redis.call('HMGET', KEYS[2], unpack(owners))
local verdicts, own, units, records, rows = {}, {}, {}, {}, {}
for i = 1, count do
  local rid, buyer, text = rids[i], owners[i], ARGV[3 * i + 1]
  local before = known[i] or own[rid]
  if before then
    verdicts[i] = tonumber(string.match(before, '^%d+'))
  else
    local quantity = tonumber(text)
    local has = (units[buyer] or tonumber(held[i] or '0')) + quantity
    if has > limit then
      verdicts[i] = -1
    elseif left < quantity then
      verdicts[i] = 0
    else
      left = left - quantity
      seq = seq + 1
      units[buyer] = has
      local record = seq .. '|' .. text .. '|' .. buyer
      own[rid] = record
      records[#records + 1] = rid
      records[#records + 1] = record
      rows[#rows + 1] = record .. '|' .. rid
      verdicts[i] = seq
    end
  end
end
if #rows > 0 then
  local counts = {}
  for buyer, has in pairs(units) do
    counts[#counts + 1] = buyer
    counts[#counts + 1] = has
  end
  redis.call('XADD', KEYS[4], seq .. '-0', 'r', table.concat(rows, '\n'))
  redis.call('HSET', KEYS[3], unpack(records))
  redis.call('HSET', KEYS[2], unpack(counts))
  redis.call('HSET', KEYS[1], 'left', left, 'seq', seq)
end
return verdicts
