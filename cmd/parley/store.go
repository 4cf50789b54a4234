package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/file"
	"github.com/parley-net/parley/sink/mongo"
	"github.com/parley-net/parley/sink/redis"
)

// store is a sink that is only read.
type store interface {
	core.SnapshotReader
	Close(context.Context) error
}

const storeHelp = `
URL is where the matches are:
  file:DIR                      what sink/file wrote, also while a server goes on writing
  redis://HOST:PORT/DB          what sink/redis wrote (rediss:// with TLS)
  mongodb://HOST:PORT/DATABASE  what sink/mongo wrote (or mongodb+srv://)`

// openStore opens the store at url.
func openStore(ctx context.Context, url string) (store, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "file":
		return file.Open(file.Config{Dir: rest, ReadOnly: true})
	case "redis", "rediss":
		return redis.Open(ctx, url)
	case "mongodb", "mongodb+srv":
		return mongo.Open(ctx, url)
	}
	return nil, fmt.Errorf("%q is no store: it begins with file:, redis://, rediss://, mongodb:// or mongodb+srv://", url)
}

// withStore opens the store at url for as long as use takes.
func withStore(ctx context.Context, url string, use func(store) error) error {
	s, err := openStore(ctx, url)
	if err != nil {
		return err
	}
	err = use(s)
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	return errors.Join(err, s.Close(closing))
}

// moment is a tick or a time in a match; zero is the end of it.
type moment struct {
	tick   uint64
	time   time.Time
	byTick bool
	text   string
}

// parseMoment reads "1234", a tick, or a time as RFC 3339 has it.
func parseMoment(s string) (moment, error) {
	if s == "" {
		return moment{}, nil
	}
	if tick, err := strconv.ParseUint(s, 10, 64); err == nil {
		return moment{tick: tick, byTick: true, text: "tick " + s}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return moment{time: t, text: s}, nil
	}
	return moment{}, fmt.Errorf("%q is neither a tick, such as 1200, nor a time, such as 2030-01-31T18:30:00Z", s)
}

// world is a snapshot that is held in memory.
type world struct {
	core.Snapshot
	objects []core.ObjectState
}

// worldAt returns the last snapshot of a match at or before m.
func worldAt(ctx context.Context, s store, match string, m moment) (w world, err error) {
	if m == (moment{}) {
		x, err := s.Latest(ctx, match)
		return hold(x), err
	}
	last := ^uint64(0)
	if m.byTick {
		last = m.tick
	}
	var found core.Snapshot // its key: the objects may not outlive the range
	for x, err := range s.Snapshots(ctx, match, 0, last) {
		if err != nil {
			return world{}, err
		}
		if m.byTick || !x.Time.After(m.time) {
			found = x
		}
	}
	if found.Match == "" {
		return world{}, core.Errorf(core.ErrNotFound, "match %q has no snapshot at or before %s", match, m.text)
	}
	for x, err := range s.Snapshots(ctx, match, found.Tick, found.Tick) {
		if err != nil {
			return world{}, err
		}
		if x.Epoch == found.Epoch {
			return hold(x), nil
		}
	}
	return world{}, core.Errorf(core.ErrNotFound, "the snapshot of match %q at tick %d is gone meanwhile", match, found.Tick)
}

// hold takes the objects of a snapshot out of its store.
func hold(x core.Snapshot) world {
	w := world{Snapshot: x}
	if x.Objects == nil {
		return w
	}
	for o := range x.Objects {
		o.Fields = append([]core.Field(nil), o.Fields...)
		w.objects = append(w.objects, o)
	}
	return w
}
