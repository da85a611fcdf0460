-- Stands before every script of this room: its keys by name, Redis's clock, and how budgets are read.
--
-- Times are whole milliseconds by Redis's clock, so all workers agree. A call enters every budget as one token
-- when it is granted, marked to come back a window after its lease's end; its answer brings that forward to a
-- window after the answer. The provider counts a call before we see the answer, so our token comes back later
-- than the provider's, whether its windows are fixed or rolling.
--
-- KEYS, of one connection:
--   flight      zset  call -> when its lease ends
--   minute      zset  call -> when its token comes back (kept a lease longer: see answered.lua)
--   day         hash  part of the window -> tokens that come back when it does
--   state       hash  what the newest answer showed: seen (when), left (of the minute), and what others of our
--                     app have spent: minute_others, minute_at, day_others, day_at; and strangers_until: so
--                     long calls may be out that left before Redis was wiped
--   pause       hash  set (when), until, again (ms between probes once `until` has passed), reason
--   abandoned   zset  call that we heard no answer of -> until when the provider may still be at it: at_work from
--                     its beginning. It counts in flight against the provider's number alone.
-- and of the whole app:
--   app         hash  as day
--   app_state   hash  others, at
--   app_pause   hash  as pause
--   failures    zset  connection and call -> when it failed, since the last answer
--   connections zset  connection -> its newest call
local flight, minute, day, state, pause = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local abandoned = KEYS[6]
local app, app_state, app_pause, failures, connections = KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Tokens of a budget kept in parts that were not back by `since`; when the next one comes back; and the parts
-- that can go: long back, or from before the clock was set back.
local function counted(key, part, span, since, now, lease)
  local total, soonest, stale = 0, nil, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local number = tonumber(fields[i])
    local back = (number + 1) * part + span -- the whole part's tokens come back with its last one
    if back <= now - lease or number * part > now + lease then
      stale[#stale + 1] = fields[i]
    elseif back > since then
      total = total + fields[i + 1]
      if back > now and (not soonest or back < soonest) then soonest = back end
    end
  end
  return total, soonest, stale
end

-- What others have spent as far as an answer showed, and until when that counts.
local function others(count, at, now, lasts, lease)
  at = tonumber(at)
  if not at or at > now + lease or at + lasts <= now then return 0, nil end
  return tonumber(count), at + lasts
end

-- A pause as a table of its fields, or nil; one from before the clock was set back is none.
local function paused(key, now, lease)
  local set, till, again, reason = unpack(redis.call('HMGET', key, 'set', 'until', 'again', 'reason'))
  if not set or tonumber(set) > now + lease then return nil end
  return {key = key, set = tonumber(set), till = tonumber(till), again = tonumber(again), reason = reason}
end
