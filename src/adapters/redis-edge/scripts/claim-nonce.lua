#!lua
-- Remembers a nonce of a session, unless it is remembered already. One key a session holds the newest, each as wide as
-- the one that is claimed, so that no flood of nonces makes it grow.
-- KEYS: the session. ARGV: nonce, how many are remembered at most, for how long (ms).
-- Returns: 1 when it was new, else 0. Cost: two commands.
local nonce = ARGV[1]
local width = #nonce
local known = redis.call('GET', KEYS[1]) or ''
local at = string.find(known, nonce, 1, true)
while at do
  if (at - 1) % width == 0 then
    return 0
  end
  at = string.find(known, nonce, at + 1, true)
end
local kept = string.sub(known, 1, (tonumber(ARGV[2]) - 1) * width)
redis.call('SET', KEYS[1], nonce .. kept, 'PX', ARGV[3])
return 1
