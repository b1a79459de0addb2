/**
 * Everything that nodes do to what they share, as one script for Redis 6.2 and newer (and Valkey): no two of them can come between. KEYS[1] is the prefix,
 * a hash tag, so that all keys stand in one slot of a cluster; names of further keys are made of it. ARGV: what is to be done, and its arguments as JSON.
 *
 * PREFIX:nodes          hash: node → its epoch
 * PREFIX:held:NODE EPOCH   hash: key → places of its calls, and @ → process of the server; gone when the lease is, and with it all that the node held
 * PREFIX:events:KEY     sorted set: events by their time
 * PREFIX:run            the memory of the server that the leases are of: its process, and since when
 * PREFIX:settling       hash: node → 1 while it is waited for, as it may have calls that this server knows nothing of; * → 1 for those whom nobody has named, or >TIME until when
 *
 * The clock is the server's alone.
 */
export const script = `
local P = KEYS[1]
local op = ARGV[1]
local a = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local NODES, SETTLING, RUN = P .. ':nodes', P .. ':settling', P .. ':run'

local function heldKey(name, epoch) return P .. ':held:' .. name .. ' ' .. epoch end
local function eventsKey(key) return P .. ':events:' .. key end

local function live()
  local all, names, keys, epochs = redis.call('HGETALL', NODES), {}, {}, {}
  for i = 1, #all, 2 do
    local key = heldKey(all[i], all[i + 1])
    if redis.call('EXISTS', key) == 1 then
      names[#names + 1] = all[i]
      keys[#keys + 1] = key
      epochs[#epochs + 1] = all[i + 1]
    else
      redis.call('HDEL', NODES, all[i])
    end
  end
  return names, keys, epochs
end

local function isLive(name, epoch)
  return redis.call('HGET', NODES, name) == epoch and redis.call('EXISTS', heldKey(name, epoch)) == 1
end

local function settling()
  for _, waited in ipairs(redis.call('HVALS', SETTLING)) do
    if waited == '1' or (string.sub(waited, 1, 1) == '>' and tonumber(string.sub(waited, 2)) > now) then return true end
  end
  return false
end

local function correct(add, drop)
  for _, e in ipairs(drop) do redis.call('ZREM', eventsKey(e.key), e.member) end
  for _, e in ipairs(add) do
    local key = eventsKey(e.key)
    redis.call('ZADD', key, now - e.age, e.member)
    if redis.call('PTTL', key) < e.window then redis.call('PEXPIRE', key, e.window) end
  end
end

local function change(key, by)
  for name, delta in pairs(by) do
    if redis.call('HINCRBY', key, name, delta) <= 0 then redis.call('HDEL', key, name) end
  end
end

local function register()
  local process = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
  local run = redis.call('GET', RUN)
  local other = redis.call('HGET', NODES, a.name)
  local fresh = #a.seen == 0
  if other and string.sub(other, 1, #a.instance) ~= a.instance and not fresh and redis.call('EXISTS', heldKey(a.name, other)) == 1 then
    return { twin = true, nodes = { a.name }, run = run or process }
  end
  -- Another process, or one that was emptied.
  if not run or string.match(run, '^%w+') ~= process then
    run = process .. ':' .. now
    redis.call('SET', RUN, run)
    redis.call('DEL', SETTLING)
    redis.call('HSET', SETTLING, '*', 1)
    redis.call('PEXPIRE', SETTLING, a.settle)
  end
  local refills = a.refill and a.run ~= run
  if refills or redis.call('EXISTS', SETTLING) == 1 then
    for _, name in ipairs(a.seen) do
      local epoch = redis.call('HGET', NODES, name)
      local here = epoch and redis.call('HGET', heldKey(name, epoch), '@') == run
      redis.call('HSETNX', SETTLING, name, here and 0 or 1)
    end
    redis.call('HSET', SETTLING, a.name, refills and 1 or 0)
    if redis.call('PTTL', SETTLING) < 0 then redis.call('PEXPIRE', SETTLING, a.settle) end
    -- Who came just before the memory was lost, and whom nobody has seen, is waited for a little.
    if not fresh and redis.call('HGET', SETTLING, '*') == '1' then redis.call('HSET', SETTLING, '*', '>' .. (now + a.linger)) end
    if not settling() then redis.call('DEL', SETTLING) end
  end
  if a.previous then redis.call('DEL', heldKey(a.name, a.previous)) end
  if other then redis.call('DEL', heldKey(a.name, other)) end
  local key = heldKey(a.name, a.epoch)
  redis.call('DEL', key)
  redis.call('HSET', NODES, a.name, a.epoch)
  redis.call('HSET', key, '@', run)
  change(key, a.held)
  redis.call('PEXPIRE', key, a.lease)
  correct(a.add, a.drop)
  return { twin = false, nodes = (live()), run = run }
end

local function count(key, window)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  return redis.call('ZCARD', key)
end

local function renew()
  if not isLive(a.name, a.epoch) then return { kind = 'lapsed' } end
  redis.call('PEXPIRE', heldKey(a.name, a.epoch), a.lease)
  local names, keys, epochs = live()
  local places, events = {}, {}
  for _, name in ipairs(a.places) do places[name] = 0 end
  for from = 1, #a.places, 1000 do
    local some = {}
    for i = from, math.min(#a.places, from + 999) do some[#some + 1] = a.places[i] end
    for _, key in ipairs(keys) do
      for i, n in ipairs(redis.call('HMGET', key, unpack(some))) do
        if n then places[some[i]] = places[some[i]] + tonumber(n) end
      end
    end
  end
  for _, e in ipairs(a.events) do events[e.key] = count(eventsKey(e.key), e.window) end
  return { kind = 'renewed', nodes = names, epochs = epochs, settling = settling(), places = places, events = events }
end

-- When fewer than the limit will be left: its oldest 'over' events have to lapse.
local function freeAt(keys, over, window)
  local scores = {}
  for _, key in ipairs(keys) do
    local some = redis.call('ZRANGE', eventsKey(key), 0, over - 1, 'WITHSCORES')
    for i = 2, #some, 2 do scores[#scores + 1] = tonumber(some[i]) end
  end
  table.sort(scores)
  return (scores[over] or now) + window
end

local function take()
  if not isLive(a.name, a.epoch) then return { kind = 'lapsed' } end
  if settling() then return { kind = 'settling' } end
  local wanted = {}
  for _, w in ipairs(a.wants) do
    if not w.window and w.limit >= 0 then
      for _, key in ipairs(w.keys) do wanted[#wanted + 1] = key end
    end
  end
  local held = {}
  if #wanted > 0 then
    local _, keys = live()
    for _, key in ipairs(keys) do
      for i, n in ipairs(redis.call('HMGET', key, unpack(wanted))) do
        if n then held[wanted[i]] = (held[wanted[i]] or 0) + tonumber(n) end
      end
    end
  end
  -- Of the same call that asks once more.
  for _, w in ipairs(a.wants) do
    if w.window then redis.call('ZREM', eventsKey(w.keys[1]), a.member) end
  end
  for index, w in ipairs(a.wants) do
    local sum = 0
    if w.window then
      for _, key in ipairs(w.keys) do
        if w.limit >= 0 then sum = sum + count(eventsKey(key), w.window) end
      end
    else
      for _, key in ipairs(w.keys) do sum = sum + (held[key] or 0) end
    end
    if w.limit >= 0 and sum >= w.limit then
      local free = false
      if w.window and w.limit > 0 then free = freeAt(w.keys, sum - w.limit + 1, w.window) end
      return { kind = 'refused', index = index - 1, freeAt = free }
    end
  end
  for _, w in ipairs(a.wants) do
    if w.window then
      local key = eventsKey(w.keys[1])
      redis.call('ZADD', key, now, a.member)
      redis.call('PEXPIRE', key, w.window)
    else
      redis.call('HINCRBY', heldKey(a.name, a.epoch), w.keys[1], 1)
    end
  end
  return { kind = 'taken' }
end

local function adjust()
  local holds = isLive(a.name, a.epoch)
  if holds then
    change(heldKey(a.name, a.epoch), a.places)
    -- Who gives much at a time is there all the while.
    redis.call('PEXPIRE', heldKey(a.name, a.epoch), a.lease)
  end
  correct(a.add, a.drop)
  if holds and a.refilled and redis.call('EXISTS', SETTLING) == 1 then
    redis.call('HSET', SETTLING, a.name, 0)
    if not settling() then redis.call('DEL', SETTLING) end
  end
  return { holds = holds }
end

local function leave()
  redis.call('DEL', heldKey(a.name, a.epoch))
  if redis.call('HGET', NODES, a.name) == a.epoch then redis.call('HDEL', NODES, a.name) end
  if redis.call('HDEL', SETTLING, a.name) == 1 and not settling() then redis.call('DEL', SETTLING) end
  return {}
end

local all = { register = register, renew = renew, take = take, adjust = adjust, leave = leave }
return cjson.encode(all[op]())
`;
