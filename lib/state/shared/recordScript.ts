/** Changes that the stream keeps, or a few more; who was away for longer reads everything. */
const mostChanges = 100_000;

/**
 * Lines that all nodes remember, as one script for Redis 6.2 and newer (and Valkey). KEYS[1] is the prefix, a hash tag. ARGV: what is to be done, and its arguments as JSON.
 *
 * PREFIX:records   hash: key → VERSION LINE
 * PREFIX:changes   stream: k: key, v: version, l: line; without l it is gone
 *
 * A version is the server's clock in microseconds and never less than the one before, so that a key that was gone for a while has a higher one when it is back.
 */
export const recordScript = `
local P = KEYS[1]
local op = ARGV[1]
local a = cjson.decode(ARGV[2])
local RECORDS, CHANGES = P .. ':records', P .. ':changes'

local function known(key)
  local value = redis.call('HGET', RECORDS, key)
  if not value then return 0, nil end
  local version, line = string.match(value, '^(%d+) (.*)$')
  return tonumber(version) or 0, line
end

local function put(key, version, line)
  local text = string.format('%.0f', version)
  if line then
    redis.call('HSET', RECORDS, key, text .. ' ' .. line)
    redis.call('XADD', CHANGES, 'MAXLEN', '~', ${mostChanges}, '*', 'k', key, 'v', text, 'l', line)
  else
    redis.call('HDEL', RECORDS, key)
    redis.call('XADD', CHANGES, 'MAXLEN', '~', ${mostChanges}, '*', 'k', key, 'v', text)
  end
end

-- As text: cjson writes 14 digits of a number.
local function said(version) return string.format('%.0f', version) end

-- base: the version that it was made from; without it, it stands whatever is there.
local function write()
  local version, line = known(a.key)
  if a.base and version ~= a.base then return { written = false, version = said(version), line = line or false } end
  local time = redis.call('TIME')
  local next = math.max(version + 1, time[1] * 1000000 + time[2])
  put(a.key, next, a.line)
  return { written = true, version = said(next), line = a.line or false }
end

-- What a server that has lost its memory is given anew: the newest stands.
local function restore()
  for _, e in ipairs(a.entries) do
    if (known(e.key)) < e.version then put(e.key, e.version, e.line) end
  end
  return {}
end

local all = { write = write, restore = restore }
return cjson.encode(all[op]())
`;
