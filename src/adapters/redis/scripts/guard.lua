-- guard: what other scripts put in front of themselves (the loader does); no script of its own.
-- refuse() answers why a call may not touch the bucket, or nothing. The run id is this server's; the bucket remembers the
-- server it was prepared on. A server that restarted, was promoted or is somebody else's copy therefore refuses by itself.
local function runId()
  local info = redis.call('INFO', 'server')
  local start = string.find(info, 'run_id:', 1, true)
  return string.sub(info, start + 7, start + 46)
end

local function refuseEpoch(known, asked)
  if not known then return redis.error_reply('BUCKET_MISSING no such bucket') end
  if known ~= asked then return redis.error_reply('FENCED the epoch of the bucket is ' .. known) end
end

local function refuse(known, asked, registered)
  local refusal = refuseEpoch(known, asked)
  if refusal then return refusal end
  if registered ~= runId() then return redis.error_reply('FOREIGN foreign server, run id ' .. runId()) end
end

local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
