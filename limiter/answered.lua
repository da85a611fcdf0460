-- An answer reached us: bring its tokens forward, learn what others spent, set or lift a pause.
--
-- KEYS   as in ground.lua
-- ARGV   1 call   2 when it was granted   3 when its lease ends   4 rules (JSON: see rules.py)
--        5 6 7 what its headers leave of the minute, the day, the app's minute ('' = not said)
--        8 for a 429: 'connection' or 'app', what is to pause ('' = no 429)   9 for how many ms
--        10 ms between probes after that   11 reason
-- answer 1
local call, granted, ends, rules = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), cjson.decode(ARGV[4])
local minute_left, day_left, app_left = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local refused, reason = ARGV[8], ARGV[11]
local now, lease = clock(), rules.lease

redis.call('DEL', failures)

-- A good answer to a probe lifts the pause (a call granted before it proves nothing), any answer an outage.
local function lift(key, by)
  local pausing = paused(key, now, lease)
  if not pausing then return end
  if pausing.reason == 'provider unavailable' or (refused ~= by and granted > pausing.set) then
    redis.call('DEL', key)
    if pausing.reason == 'day limit' then redis.call('DEL', day) end -- a new day: the headers tell the rest
  end
end
lift(pause, 'connection')
lift(app_pause, 'app')

-- A call that is not known here left before Redis was wiped, or its lease ran out. Others may be out like it, for
-- a lease at most: so long one flies at a time.
if redis.call('ZREM', flight, call) == 0 then redis.call('HSET', state, 'strangers_until', now + lease) end
redis.call('ZADD', minute, now + rules.minute_span, call)
redis.call('PEXPIRE', minute, lease + rules.minute_span + lease)

local function bring_forward(key, part, span)
  local reserved = math.floor(ends / part)
  local count = tonumber(redis.call('HGET', key, reserved) or 0)
  if count == 1 then redis.call('HDEL', key, reserved) end
  if count > 1 then redis.call('HINCRBY', key, reserved, -1) end
  redis.call('HINCRBY', key, math.floor(now / part), 1)
  redis.call('PEXPIRE', key, lease + part + span)
end
bring_forward(day, rules.day_part, rules.day_span)
bring_forward(app, rules.app_part, rules.app_span)

-- What the provider counted beyond all that it can have counted of ours, others spent: every token of ours not
-- back when the call left, those still in flight too, for some of them may have overtaken it. So this only ever
-- lowers what is left, and each answer tells it anew; without one it is forgotten after a window.
local function spent_by_others(limit, remaining, ours)
  return math.max(0, limit - remaining - ours)
end
if minute_left then
  local ours = redis.call('ZCOUNT', minute, '(' .. granted, '+inf')
  redis.call('HSET', state, 'minute_others', spent_by_others(rules.minute, minute_left, ours), 'minute_at', now)
end
if day_left then
  local ours = counted(day, rules.day_part, rules.day_span, granted, now, lease)
  redis.call('HSET', state, 'day_others', spent_by_others(rules.day, day_left, ours), 'day_at', now)
end
if app_left then
  local ours = counted(app, rules.app_part, rules.app_span, granted, now, lease)
  redis.call('HSET', app_state, 'others', spent_by_others(rules.app, app_left, ours), 'at', now)
  redis.call('PEXPIRE', app_state, rules.app_span)
end

-- What is left, for the calls in flight to share. Of answers whose calls overlapped the lower one holds: nobody
-- knows which call came first.
local seen, left = unpack(redis.call('HMGET', state, 'seen', 'left'))
minute_left = minute_left or tonumber(left) or rules.minute
if seen and granted <= tonumber(seen) and tonumber(seen) <= now then minute_left = math.min(minute_left, left) end
redis.call('HSET', state, 'seen', now, 'left', minute_left)
redis.call('PEXPIRE', state, math.max(rules.day_recall, rules.minute_span))

if refused ~= '' then
  local key, wait, again = refused == 'app' and app_pause or pause, tonumber(ARGV[9]), tonumber(ARGV[10])
  local pausing = paused(key, now, lease)
  if not pausing or pausing.till < now + wait then
    redis.call('HSET', key, 'set', now, 'until', now + wait, 'again', again, 'reason', reason)
    redis.call('PEXPIRE', key, wait + again + rules.day_span)
  end
end
return 1
