#!lua
-- Adds what a node let through to the arrival times of some keys, and says how far ahead of now each is.
-- KEYS: one key per use.
-- ARGV: how many limits, furthest a key may run ahead (ms), the cost of a request per limit (ms),
--       then per key: requests, age of the first of them (ms).
-- Returns: per key and limit the milliseconds ahead of now, rounded up; 0 = unused.
-- Keeps: every key expires when it has nothing left to say. Cost: two commands per key.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local limits = tonumber(ARGV[1])
local latest = now + tonumber(ARGV[2])
local reply = {}
for index, key in ipairs(KEYS) do
  local at = 2 + limits + (index - 1) * 2
  local requests = tonumber(ARGV[at + 1])
  local first = now - tonumber(ARGV[at + 2])
  local known = {}
  for text in string.gmatch(redis.call('GET', key) or '', '%S+') do
    known[#known + 1] = tonumber(text)
  end
  local texts = {}
  local ahead_max = 0
  for limit = 1, limits do
    local arrival = math.max(known[limit] or 0, first) + requests * tonumber(ARGV[2 + limit])
    arrival = math.min(arrival, latest)
    local ahead = math.max(0, math.ceil(arrival - now))
    ahead_max = math.max(ahead_max, ahead)
    texts[limit] = string.format('%.1f', arrival)
    reply[#reply + 1] = ahead
  end
  if ahead_max > 0 then
    redis.call('SET', key, table.concat(texts, ' '), 'PX', ahead_max)
  end
end
return reply
