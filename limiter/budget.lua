-- What is left, for whoever watches; changes nothing.
--
-- KEYS   as in ground.lua
-- ARGV   1 rules (JSON: see rules.py)
-- answer {minute left, day left, app's minute left, in flight, ms of pause (0 = none), its reason}
local rules = cjson.decode(ARGV[1])
local now, lease = clock(), rules.lease

local minute_others, minute_at, day_others, day_at =
  unpack(redis.call('HMGET', state, 'minute_others', 'minute_at', 'day_others', 'day_at'))
local app_others, app_at = unpack(redis.call('HMGET', app_state, 'others', 'at'))

local function left(limit, used, by_others)
  return math.max(0, limit - used - by_others)
end
local minute_left = left(rules.minute, redis.call('ZCOUNT', minute, '(' .. now, '(' .. (now + lease + rules.minute_span + 1)),
  (others(minute_others, minute_at, now, rules.minute_span, lease)))
local day_left = left(rules.day, (counted(day, rules.day_part, rules.day_span, now, now, lease)),
  (others(day_others, day_at, now, rules.day_recall, lease)))
local app_minute_left = left(rules.app, (counted(app, rules.app_part, rules.app_span, now, now, lease)),
  (others(app_others, app_at, now, rules.app_span, lease)))

local wait, reason = 0, ''
for _, key in ipairs({pause, app_pause}) do
  local pausing = paused(key, now, lease)
  if pausing and math.max(pausing.till - now, 1) > wait then
    wait, reason = math.max(pausing.till - now, 1), pausing.reason
  end
end
local in_flight = redis.call('ZCOUNT', flight, '(' .. now, '+inf') + redis.call('ZCOUNT', abandoned, '(' .. now, '+inf')
return {minute_left, day_left, app_minute_left, in_flight, wait, reason}
