-- What the scripts that write to a match have in common. Their keys are, of that match,
-- the latest snapshot, the stream of snapshots, the hash of those that came late, the
-- stream of events, and the hash of those that came late. All live in one slot.

-- less compares decimal numbers, which go to 2^64-1: Lua's numbers do not hold them.
local function less(a, b)
	if #a ~= #b then
		return #a < #b
	end
	return a < b
end

-- before compares ids of entries.
local function before(a, b)
	local a1, a2 = string.match(a, '^(%d+)-(%d+)$')
	local b1, b2 = string.match(b, '^(%d+)-(%d+)$')
	if a1 ~= b1 then
		return less(a1, b1)
	end
	return less(a2, b2)
end

-- stored tells whether an entry is there.
local function stored(stream, late, id)
	return #redis.call('XRANGE', stream, id, id) > 0 or redis.call('HEXISTS', late, id) == 1
end

-- put stores an entry unless it is there. A stream takes new entries at its end only:
-- what belongs before that goes to the hash. It returns nil, or a reply that is an
-- error, and then nothing was stored.
local function put(stream, late, id, field, text, keep)
	local reply
	if keep == '0' then
		reply = redis.pcall('XADD', stream, id, field, text)
	else
		reply = redis.pcall('XADD', stream, 'MAXLEN', '~', keep, id, field, text)
	end
	if type(reply) ~= 'table' then
		return nil
	end
	-- "The ID specified in XADD is equal or smaller …", "… must be greater than 0-0",
	-- "The stream has exhausted the last possible ID …"
	if not string.find(reply.err, ' ID', 1, true) then
		return reply
	end
	if stored(stream, late, id) then
		return nil
	end
	if keep ~= '0' and redis.call('XLEN', stream) >= tonumber(keep) then
		local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]
		if before(id, oldest) then
			return nil -- it would be the first to be dropped
		end
	end
	redis.call('HSET', late, id, text)
	local most = tonumber(keep)
	if most > 0 and redis.call('HLEN', late) > most * 1.25 + 16 then
		local ids = redis.call('HKEYS', late)
		table.sort(ids, before)
		for i = 1, #ids - most do
			redis.call('HDEL', late, ids[i])
		end
	end
	return nil
end

-- expire lets the match live for some milliseconds from now, or for ever if that is 0.
local function expire(life)
	for i = 1, 5 do
		if life == '0' then
			redis.call('PERSIST', KEYS[i])
		else
			redis.call('PEXPIRE', KEYS[i], life)
		end
	end
end
