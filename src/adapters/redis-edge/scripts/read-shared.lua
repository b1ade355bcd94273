#!lua
-- Reads a shared text with its age; one asker at a time is told to make it anew when it is missing or old.
-- KEYS: text, turn. ARGV: up to which age it is fresh (ms), how long a turn lasts (ms).
-- Returns: the text or false, its age (ms), 1 when it is the asker's turn to make it. Cost: two or three commands.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('GET', KEYS[1])
local text = false
local age = 0
if stored then
  local space = string.find(stored, ' ', 1, true)
  age = math.max(0, now - tonumber(string.sub(stored, 1, space - 1)))
  text = string.sub(stored, space + 1)
  if age < tonumber(ARGV[1]) then
    return { text, age, 0 }
  end
end
local turn = redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2])
return { text, age, turn and 1 or 0 }
