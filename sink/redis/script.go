package redis

import (
	"context"
	_ "embed" // of the scripts

	goredis "github.com/redis/go-redis/v9"
)

//go:embed lua/put.lua
var putLua string

//go:embed lua/events.lua
var eventsLua string

//go:embed lua/snapshot.lua
var snapshotLua string

//go:embed lua/part.lua
var partLua string

//go:embed lua/index.lua
var indexLua string

// A script runs as a whole, so that readers see all of a write or nothing, and each may
// run twice with the same arguments as if it had run once.
var (
	eventsScript   = goredis.NewScript(putLua + eventsLua)
	snapshotScript = goredis.NewScript(putLua + snapshotLua)
	partScript     = goredis.NewScript(partLua)
	indexScript    = goredis.NewScript(indexLua)
)

// call is a script with what it is called with.
type call struct {
	script *goredis.Script
	keys   []string
	args   []any
}

// run calls scripts in one pipeline.
func (s *Sink) run(ctx context.Context, doing string, calls ...call) error {
	p := s.db.Pipeline()
	for _, c := range calls {
		c.script.EvalSha(ctx, p, c.keys, c.args...)
	}
	err := s.exec(ctx, doing, p)
	if !goredis.HasErrorPrefix(err, "NOSCRIPT") {
		return err
	}
	// Redis is new, or was told to forget its scripts. Those that did run may run again.
	p = s.db.Pipeline()
	for _, c := range calls {
		c.script.Eval(ctx, p, c.keys, c.args...)
	}
	return s.exec(ctx, doing, p)
}
