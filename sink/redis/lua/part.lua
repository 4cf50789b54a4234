-- Adds a part to a snapshot on its way. Arguments: the size of those before it, the part,
-- and how long they live. A part that comes twice is added once.
local size, at = redis.call('STRLEN', KEYS[1]), tonumber(ARGV[1])
if size == at then
	redis.call('APPEND', KEYS[1], ARGV[2])
elseif size ~= at + #ARGV[2] then
	return redis.error_reply('PARTS of the snapshot were dropped on their way')
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'OK'
