package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

// Matches returns the names of all matches of which something is stored, in ascending
// order of their bytes.
func (s *Sink) Matches(ctx context.Context) ([]string, error) {
	p := s.db.Pipeline()
	now := p.Time(ctx)
	all := p.ZRangeWithScores(ctx, s.index(), 0, -1)
	if err := s.read(ctx, "list matches", p); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all.Val()))
	for _, z := range all.Val() {
		if z.Score > float64(now.Val().UnixMilli()) { // when it expires
			names = append(names, z.Member.(string))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Latest returns the newest snapshot of a match, by epoch and then tick, or an error that
// wraps core.ErrNotFound.
func (s *Sink) Latest(ctx context.Context, match string) (core.Snapshot, error) {
	p := s.db.Pipeline()
	get := p.HGet(ctx, s.Keys(match).Latest, "snapshot")
	err := s.read(ctx, fmt.Sprintf("read the latest snapshot of match %q", match), p)
	if errors.Is(err, goredis.Nil) {
		return core.Snapshot{}, core.Errorf(core.ErrNotFound, "redis: no snapshot of match %q on %s", match, s.server)
	}
	if err != nil {
		return core.Snapshot{}, err
	}
	return parse(match, "the latest snapshot", get.Val())
}

// parse parses a snapshot of a match.
func parse(match, what, text string) (core.Snapshot, error) {
	x, err := parseSnapshot([]byte(text))
	if err == nil && x.Match != match {
		err = core.Errorf(core.ErrMalformed, "it is of match %q", x.Match)
	}
	if err != nil {
		return core.Snapshot{}, fmt.Errorf("redis: %s of match %q: %w", what, match, err)
	}
	return x, nil
}

// Snapshots yields the snapshots of a match from one tick to another, each read when its
// turn comes. A match that is not stored has none. The loop may write, and may end early.
func (s *Sink) Snapshots(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
	return func(yield func(core.Snapshot, error) bool) {
		if from > to {
			return
		}
		c := s.cursor(match, s.Keys(match).Snapshots, "snapshot", 1)
		at, more := id{0, from}, true
		for more {
			e, ok, err := c.next(ctx, at)
			if err != nil {
				yield(core.Snapshot{}, err)
			}
			if !ok {
				return
			}
			switch {
			case e.id.n < from:
				at = id{e.id.epoch, from}
				continue
			case e.id.n > to:
				at, more = id{e.id.epoch, ^uint64(0)}.next()
				at.n = from
				continue
			}
			x, err := parse(match, fmt.Sprintf("snapshot %d of epoch %d", e.id.n, e.id.epoch), e.text)
			if !yield(x, err) || err != nil {
				return
			}
			at, more = e.id.next()
		}
	}
}

// Events yields the events of a match from one tick to another. It reads all events of
// the match, some at a time. A match that is not stored has none. The loop may write, and
// may end early.
func (s *Sink) Events(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		var p fieldjson.Parser
		c := s.cursor(match, s.Keys(match).Events, "event", maxPage)
		at, more := id{}, true
		for more {
			e, ok, err := c.next(ctx, at)
			if err != nil {
				yield(core.Event{}, err)
			}
			if !ok {
				return
			}
			at, more = e.id.next()
			text := []byte(e.text)
			if tick, ok := eventTick(text); ok && (tick < from || tick > to) {
				continue
			}
			x, err := parseEvent(&p, text)
			if err != nil {
				err = fmt.Errorf("redis: event %d of epoch %d of match %q: %w", e.id.n, e.id.epoch, match, err)
				yield(core.Event{}, err)
				return
			}
			x.Match = match
			if !yield(x, nil) {
				return
			}
		}
	}
}
