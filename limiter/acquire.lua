-- May one more call go out now? Looks at every budget at once and, if all have room, takes from each.
--
-- KEYS   as in ground.lua
-- ARGV   1 call (a random id)   2 connection   3 rules (JSON: see rules.py)
-- answer {1, now, when the lease ends}  or  {0, ms to wait at least, reason}
local call, connection, rules = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
local now, lease = clock(), rules.lease
local ends = now + lease

-- Leases that ran out (their worker died: the token stays), tokens long back, and whatever lies further ahead
-- than a new call could: it was written before the clock was set back, so nothing known is worth keeping.
redis.call('ZREMRANGEBYSCORE', flight, '-inf', now)
redis.call('ZREMRANGEBYSCORE', minute, '-inf', now - lease)
redis.call('ZREMRANGEBYSCORE', abandoned, '-inf', now)
redis.call('ZREMRANGEBYSCORE', abandoned, '(' .. (now + rules.at_work), '+inf')
local future = redis.call('ZREMRANGEBYSCORE', flight, '(' .. ends, '+inf')
  + redis.call('ZREMRANGEBYSCORE', minute, '(' .. (ends + rules.minute_span), '+inf')
if future > 0 then redis.call('DEL', state) end

-- The longest wait that any budget asks for, and its reason.
local wait, reason = 0, nil
local function hold(milliseconds, why)
  if milliseconds > wait then wait, reason = milliseconds, why end
end

-- A pause: nobody until its time; then one call every so often, until an answer lifts it. Such a probe is what
-- asks whether the budget that set the pause has come back, so that budget has no say.
local probing = {}
for _, key in ipairs({pause, app_pause}) do
  local pausing = paused(key, now, lease)
  if pausing and pausing.till > now then
    hold(pausing.till - now, pausing.reason)
  elseif pausing then
    probing[pausing.reason] = pausing
  end
end

local function judge(free, soonest, others_end, why)
  if free >= 1 or probing[why] then return end
  local back = math.min(soonest or math.huge, others_end or math.huge)
  if back == math.huge then back = now + rules.lost_probe end
  hold(math.max(back - now, 1), why)
end

local seen, left, minute_others, minute_at, day_others, day_at =
  unpack(redis.call('HMGET', state, 'seen', 'left', 'minute_others', 'minute_at', 'day_others', 'day_at'))

-- The minute: exact.
local in_minute, minute_end = others(minute_others, minute_at, now, rules.minute_span, lease)
local free = rules.minute - rules.minute_leaves - in_minute - redis.call('ZCOUNT', minute, '(' .. now, '+inf')
local short = math.max(-free, 0) -- how many tokens have to come back before the one that makes room
local soonest = redis.call('ZRANGE', minute, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', short, 1, 'WITHSCORES')
judge(free, tonumber(soonest[2]), minute_end, 'minute limit')

-- The day, and the app's minute: in parts of their windows.
local function used_of(key, part, span)
  local used, back, stale = counted(key, part, span, now, now, lease)
  if #stale > 0 then redis.call('HDEL', key, unpack(stale)) end
  return used, back
end

local in_day, day_end = others(day_others, day_at, now, rules.day_recall, lease)
local day_used, day_back = used_of(day, rules.day_part, rules.day_span)
local day_free = rules.day - in_day - day_used
if not probing['day limit'] then
  judge(day_free - rules.day_leaves, day_back, day_end, day_free >= 1 and 'day reserve' or 'day limit')
end

local app_others, app_at = unpack(redis.call('HMGET', app_state, 'others', 'at'))
local in_app, app_end = others(app_others, app_at, now, rules.app_span, lease)
local app_used, app_back = used_of(app, rules.app_part, rules.app_span)
judge(rules.app - rules.app_leaves - in_app - app_used, app_back, app_end, 'app limit')

-- In flight. Nothing seen for a window (or Redis wiped): one, until an answer shows what is left; one, too, while
-- calls may be out that are not known here. Otherwise no more than the newest answer left over: it cannot have
-- counted those still in flight. Left nothing over, and others are spending too: then a token of ours that comes
-- back says little, only a whole window does.
local room = 1
local strangers_until = tonumber(redis.call('HGET', state, 'strangers_until') or 0)
local alone = now < strangers_until and strangers_until <= now + lease
if seen and tonumber(seen) <= now + lease and now < seen + rules.minute_span then
  left = tonumber(left)
  room = alone and 1 or math.min(rules.in_flight, math.max(left, 1))
  if left < 1 and in_minute > 0 then judge(0, nil, minute_end, 'minute limit') end
end
local flying, unheard = redis.call('ZCARD', flight), redis.call('ZCARD', abandoned)
if flying >= room then hold(rules.busy, 'backlog') end

-- What we heard no answer of the provider may still count in flight; it says nothing of what is left, though, and a
-- pause with its probes says more of a provider that does not answer.
if not reason and next(probing) == nil then
  local over = unheard - rules.in_flight -- so many have to end before the one that makes room
  if over >= 0 then
    local soonest = redis.call('ZRANGE', abandoned, over, over, 'WITHSCORES')
    hold(math.max(tonumber(soonest[2]) - now, 1), 'provider unavailable')
  elseif flying + unheard >= rules.in_flight then
    hold(rules.busy, 'backlog')
  end
end

if reason then return {0, wait, reason} end

for _, pausing in pairs(probing) do
  redis.call('HSET', pausing.key, 'until', now + pausing.again)
  redis.call('PEXPIRE', pausing.key, pausing.again + rules.day_span)
end
redis.call('ZADD', flight, ends, call)
redis.call('PEXPIRE', flight, lease)
redis.call('ZADD', minute, ends + rules.minute_span, call)
redis.call('PEXPIRE', minute, lease + rules.minute_span + lease)
redis.call('HINCRBY', day, math.floor(ends / rules.day_part), 1)
redis.call('PEXPIRE', day, lease + rules.day_part + rules.day_span)
redis.call('HINCRBY', app, math.floor(ends / rules.app_part), 1)
redis.call('PEXPIRE', app, lease + rules.app_part + rules.app_span)
redis.call('ZADD', connections, now, connection)
redis.call('PEXPIRE', connections, rules.day_span)
return {1, now, ends}
