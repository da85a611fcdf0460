-- No good answer came: free the place in flight once the provider cannot be at it any more, leave the tokens
-- where they are (the call may have been counted at any time until its lease ends), and pause the provider when
-- too many fail over too many connections.
--
-- KEYS   as in ground.lua
-- ARGV   1 call   2 connection   3 rules (JSON: see rules.py)   4 '1' if this may be an outage
--        5 '1' if it is over: the provider answered, or never got it
-- answer 1 if this paused the provider, else 0
local call, connection, rules = ARGV[1], ARGV[2], cjson.decode(ARGV[3])
local now = clock()

local ends = redis.call('ZSCORE', flight, call)
redis.call('ZREM', flight, call)
local at_work_until = tonumber(ends or 0) - rules.lease + rules.at_work
if ARGV[5] ~= '1' and at_work_until > now then
  redis.call('ZADD', abandoned, at_work_until, call)
  redis.call('PEXPIRE', abandoned, rules.at_work)
elseif ARGV[5] ~= '1' and not ends then -- it left before Redis was wiped, and others with it: see answered.lua
  redis.call('HSET', state, 'strangers_until', now + rules.lease)
  redis.call('PEXPIRE', state, math.max(rules.day_recall, rules.minute_span))
end
if ARGV[4] ~= '1' then return 0 end

redis.call('ZREMRANGEBYSCORE', failures, '-inf', now - rules.outage_within)
redis.call('ZREMRANGEBYSCORE', failures, '(' .. now, '+inf')
redis.call('ZADD', failures, now, connection .. ' ' .. call)
redis.call('PEXPIRE', failures, rules.outage_within)

local failing, distinct = {}, 0
local members = redis.call('ZRANGE', failures, 0, -1)
for _, member in ipairs(members) do
  local which = member:match('^(.*) ')
  if not failing[which] then failing[which], distinct = true, distinct + 1 end
end
redis.call('ZREMRANGEBYSCORE', connections, '-inf', now - rules.day_span)
local enough = math.min(rules.outage_connections, redis.call('ZCARD', connections))
if #members < rules.outage_failures or distinct < enough then return 0 end

local pausing = paused(app_pause, now, rules.lease)
if pausing and pausing.reason == 'provider unavailable' then return 0 end -- its probes set their own times
redis.call('HSET', app_pause, 'set', now, 'until', now + rules.outage_probe, 'again', rules.outage_probe,
  'reason', 'provider unavailable')
redis.call('PEXPIRE', app_pause, rules.outage_probe + rules.day_span)
return 1
