// Package redis keeps matches in Redis: the latest snapshot where every program can get
// at it, and the history of snapshots and events as streams.
//
//	sink, err := redis.Open(ctx, "redis://localhost:6379/0?expire=24h") // or New(Config{…})
//	if err != nil {
//		return err
//	}
//	err = sink.WriteSnapshot(ctx, snapshot)
//	...
//	sink.Close(ctx)
//
// # What is where
//
// Of the match "match 7", with the default prefix:
//
//	parley:{match 7}:latest     hash: epoch, tick, and snapshot, the newest as JSON
//	parley:{match 7}:snapshots  stream: 1-60 is tick 60 of epoch 1; field snapshot, JSON
//	parley:{match 7}:events     stream: 1-5 is event 5 of epoch 1; field event, JSON
//	parley:{match 7}:…:late     hashes: entries by id that came after one behind them
//	parley:{match 7}:part:…     strings: parts of a long snapshot on its way
//	parley:matches              sorted set: names of matches, by when they expire
//
// so that a shell reads what a game did:
//
//	redis-cli HGET 'parley:{match 7}:latest' snapshot | jq '.objects[] | select(.class == "Knight")'
//	redis-cli XRANGE 'parley:{match 7}:events' 1 1              # all of epoch 1
//	redis-cli XREAD BLOCK 0 STREAMS 'parley:{match 7}:events' $ # the next that happens
//	redis-cli SUBSCRIBE 'parley:{match 7}:latest'               # 1-60 when tick 60 is the latest
//
// In a match's name, braces, % and control characters are written as % and two hex
// digits, and a match without a name is {%}; Sink.Keys knows. The JSON is that of the
// other sinks that write text, and nothing is lost in it: 80 is an int64, 80e0 a uint64,
// 80.0 a float64, and what JSON cannot say is an object with one member such as $time
// or $bytes. Each object of a snapshot is on a line of its own.
//
// Streams take entries at their end only. The one writer of a match comes in order; what
// comes out of order nevertheless, such as the last words of a server whose match was
// restored elsewhere already, goes to the hash beside the stream, and reading puts both
// together. An older epoch, or an older tick, never replaces the latest snapshot.
//
// # What is promised
//
// Each write is one script, in one slot of a cluster, so that readers see all of a
// snapshot or nothing of it. Writes carry their own ids, and nothing is stored twice:
// after an error that leaves the outcome open, write the same again. A snapshot of more
// than 1 MiB goes in parts of that size, under a name of its own that expires, before a
// script makes it appear; no command is longer than that by much. While the script copies
// it, Redis serves nobody else, for about 10 ms each MiB. The channel is told once of each
// snapshot that becomes the latest; who is not listening then is not told later.
//
// A write that returned nil is in the memory of the primary, and as safe as that is set
// up to be. Without appendonly, Redis loses what came after its last save when its
// process ends. With appendonly yes, and appendfsync everysec, a loss of power takes the
// last second or two; with appendfsync always, it takes nothing. Replicas follow behind: a
// failover can lose the last writes, whatever is set. Redis must not be told to
// throw keys away when its memory is full (maxmemory-policy noeviction), or it will
// throw matches away.
//
// All of a match expires at once, Config.Expire after the last write to it by a sink with
// that setting. Someone who deletes a match by hand also removes its name from the
// sorted set.
//
// # Errors
//
// They wrap the errors of package core, and keep those of go-redis: core.ErrUnsupported
// and core.ErrTooLarge will not go away by themselves; core.ErrTimeout is silence, also
// after a context's deadline; core.ErrRefused is a no of Redis (it is loading, read
// only, out of memory, wants a password …), which the text tells apart, or nobody there;
// core.ErrUntrusted a certificate; core.ErrBackpressure that all connections are in use;
// core.ErrMalformed that something else was found than what was written here. A cancelled
// context ends a call at once; the command may still arrive.
//
// All that is needed is in Redis since version 5, and tested with 7.0. A user of an access
// control list needs these rules:
//
//	~parley:* &parley:* +hello +ping +time +eval +evalsha +publish
//	+hget +hset +hmget +hkeys +hlen +hdel +hexists +xadd +xrange +xlen
//	+get +append +strlen +del +pexpire +persist +zadd +zrange +zremrangebyscore
//
// go-redis prints failed dials to stderr; SetLogger of that package, which is global,
// is for the main program to call.
package redis
