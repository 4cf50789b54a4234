-- Lists matches, each with the time in milliseconds at which it expires, and drops those
-- whose time has come. Arguments: how long a match lives from now, 0 for ever, and the
-- names. The clock is Redis's own.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = '+inf'
if ARGV[1] ~= '0' then
	ends = string.format('%.0f', now + ARGV[1])
end
for i = 2, #ARGV do
	redis.call('ZADD', KEYS[1], ends, ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
return 'OK'
