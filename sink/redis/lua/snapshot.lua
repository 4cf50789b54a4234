-- Stores a snapshot. Arguments: how many to keep and for how long, epoch, tick, the size
-- of the parts that came before, and the rest of the text. The parts, if there are any,
-- are under a sixth key.
local keep, life, epoch, tick, size, text = unpack(ARGV)
local id = epoch .. '-' .. tick
if KEYS[6] then
	local parts = redis.call('GET', KEYS[6]) or ''
	if #parts ~= tonumber(size) then
		if stored(KEYS[2], KEYS[3], id) then
			return 'OK' -- the command came twice, and the first one took the parts away
		end
		return redis.error_reply('PARTS of the snapshot were dropped on their way')
	end
	text = parts .. text
end
local err = put(KEYS[2], KEYS[3], id, 'snapshot', text, keep)
if err then
	return err
end
local latest = redis.call('HMGET', KEYS[1], 'epoch', 'tick')
local news = not latest[1] or before(latest[1] .. '-' .. latest[2], id)
if news then
	redis.call('HSET', KEYS[1], 'epoch', epoch, 'tick', tick, 'snapshot', text)
end
if KEYS[6] then
	redis.call('DEL', KEYS[6])
end
expire(life)
if news then
	redis.call('PUBLISH', KEYS[1], id)
end
return 'OK'
