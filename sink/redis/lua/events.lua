-- Stores events. Arguments: how many to keep and for how long, then the id and the text
-- of each.
for i = 3, #ARGV, 2 do
	local err = put(KEYS[4], KEYS[5], ARGV[i], 'event', ARGV[i + 1], ARGV[1])
	if err then
		return err
	end
end
expire(ARGV[2])
return 'OK'
