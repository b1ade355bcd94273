#!lua
-- Writes a shared text that is as old as the facts in it, and ends the turn of whoever made it.
-- KEYS: text, turn. ARGV: text, its age (ms), how long it is kept (ms).
-- Returns: 1. Cost: three commands.
local time = redis.call('TIME')
local made = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[2])
redis.call('SET', KEYS[1], string.format('%.0f', made) .. ' ' .. ARGV[1], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
