#!lua
-- Adds what a node let through to the arrival times of some keys, and says how far ahead of now each is.
-- KEYS: one key per use. Each holds one arrival time per limit, as doubles.
-- ARGV: how many limits, furthest a key may run ahead (ms), the cost of a request per limit (ms),
--       then per key: requests, age of the first of them (ms).
-- Returns: per key and limit the milliseconds ahead of now, rounded up; 0 = unused.
-- Keeps: every key expires when it has nothing left to say. Cost: two commands per key.
local call, pack, unpack, max, min, ceil = redis.call, struct.pack, struct.unpack, math.max, math.min, math.ceil
local time = call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local limits = tonumber(ARGV[1])
local latest = now + tonumber(ARGV[2])
local costs = {}
for limit = 1, limits do
  costs[limit] = tonumber(ARGV[2 + limit])
end
local reply = {}
local at = 2 + limits
for _, key in ipairs(KEYS) do
  local requests = tonumber(ARGV[at + 1])
  local first = now - tonumber(ARGV[at + 2])
  at = at + 2
  local known = call('GET', key)
  local arrivals = ''
  local ahead_max = 0
  for limit = 1, limits do
    local arrival = first
    if known and #known >= limit * 8 then
      arrival = max(arrival, (unpack('d', known, limit * 8 - 7)))
    end
    arrival = min(arrival + requests * costs[limit], latest)
    arrivals = arrivals .. pack('d', arrival)
    local ahead = max(0, ceil(arrival - now))
    ahead_max = max(ahead_max, ahead)
    reply[#reply + 1] = ahead
  end
  if ahead_max > 0 then
    call('SET', key, arrivals, 'PX', ahead_max)
  end
end
return reply
