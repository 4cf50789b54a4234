package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/parley-net/parley/core"
)

// A reader sees what is in the spool and what is in the store. It looks into the spool
// first: what leaves that afterwards is in the store by then.

// reading returns the store's reader, if one may read.
func (s *Sink) reading(ctx context.Context) (core.SnapshotReader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed()
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("spool: nothing read: %w", err)
	}
	r, ok := s.cfg.Sink.(core.SnapshotReader)
	if !ok {
		return nil, core.Errorf(core.ErrUnsupported, "spool: a %T cannot be read", s.cfg.Sink)
	}
	return r, nil
}

// kept is a record that is in the spool.
type kept struct {
	key
	record []byte
}

func (k kept) compare(epoch, number uint64) int {
	return cmp.Or(cmp.Compare(k.epoch, epoch), cmp.Compare(k.number(), number))
}

// number orders records of a kind within an epoch.
func (k key) number() uint64 {
	if k.kind == kindEvent {
		return k.seq
	}
	return k.tick
}

// scan calls with every record of a kind that is in the spool; what with gets is good
// until it returns.
func (s *Sink) scan(ctx context.Context, kind byte, with func(k key, record []byte)) error {
	// A record that the store refuses moves from one journal to the other meanwhile.
	journals := []*journal{s.events, s.refused}
	if kind == kindSnapshot {
		journals[0] = s.snapshots
	}
	for _, j := range journals {
		c := cursor{j: j}
		for {
			f, err := c.next()
			if err == io.EOF {
				break
			}
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = f.each(func(_ int, record []byte) error {
					k, err := parseKey(record)
					if err == nil && k.kind == kind {
						with(k, record)
					}
					return err
				})
			}
			if err != nil {
				c.close()
				return fmt.Errorf("spool: read %s: %w", s.cfg.Dir, err)
			}
			c.skip(&f)
		}
		if err := c.close(); err != nil {
			return fmt.Errorf("spool: read %s: %w", s.cfg.Dir, err)
		}
	}
	return nil
}

// collect returns the records of a match in the spool, from one tick to another, in the
// order of their keys; of those with the same key the one that was written last.
func (s *Sink) collect(ctx context.Context, kind byte, match string, from, to uint64) ([]kept, error) {
	var list []kept
	err := s.scan(ctx, kind, func(k key, record []byte) {
		if string(k.match) == match && k.tick >= from && k.tick <= to {
			list = append(list, kept{k, slices.Clone(record)})
		}
	})
	slices.SortStableFunc(list, func(a, b kept) int { return a.compare(b.epoch, b.number()) })
	out := list[:0]
	for i, k := range list {
		if i+1 == len(list) || k.compare(list[i+1].epoch, list[i+1].number()) != 0 {
			out = append(out, k)
		}
	}
	return out, err
}

// Matches returns the names of all matches of which something is in the spool or in
// the store, in ascending order.
func (s *Sink) Matches(ctx context.Context) ([]string, error) {
	r, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	note := func(k key, _ []byte) {
		if !names[string(k.match)] {
			names[string(k.match)] = true
		}
	}
	if err := errors.Join(s.scan(ctx, kindEvent, note), s.scan(ctx, kindSnapshot, note)); err != nil {
		return nil, err
	}
	stored, err := r.Matches(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range stored {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Latest returns the newest snapshot of a match, in the spool or in the store, or an
// error that wraps core.ErrNotFound. While the store cannot be asked, that is an error
// too: there might be a newer one.
func (s *Sink) Latest(ctx context.Context, match string) (core.Snapshot, error) {
	r, err := s.reading(ctx)
	if err != nil {
		return core.Snapshot{}, err
	}
	var best kept
	err = s.scan(ctx, kindSnapshot, func(k key, record []byte) {
		if string(k.match) == match && (best.record == nil || best.compare(k.epoch, k.tick) <= 0) {
			best = kept{k, append(best.record[:0], record...)}
		}
	})
	if err != nil {
		return core.Snapshot{}, err
	}
	stored, err := r.Latest(ctx, match)
	if best.record == nil || err != nil && !errors.Is(err, core.ErrNotFound) || err == nil && best.compare(stored.Epoch, stored.Tick) < 0 {
		return stored, err
	}
	return decodeSnapshot(best.record)
}

// Snapshots yields the snapshots of a match from one tick to another, those in the
// spool and those in the store. It holds those of the spool in memory.
func (s *Sink) Snapshots(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
	return merge(ctx, s, kindSnapshot, match, from, to, core.SnapshotReader.Snapshots, decodeSnapshot,
		func(x *core.Snapshot) (epoch, number uint64) { return x.Epoch, x.Tick })
}

// Events yields the events of a match from one tick to another, as Snapshots does.
func (s *Sink) Events(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
	return merge(ctx, s, kindEvent, match, from, to, core.SnapshotReader.Events, decodeEvent,
		func(e *core.Event) (epoch, number uint64) { return e.Epoch, e.Seq })
}

// merge yields what is in the spool and what read finds in the store, in the order of
// their keys; where both have a key, what the spool has, as it was written last.
func merge[T any](ctx context.Context, s *Sink, kind byte, match string, from, to uint64,
	read func(core.SnapshotReader, context.Context, string, uint64, uint64) iter.Seq2[T, error],
	decode func(record []byte) (T, error), keyOf func(*T) (epoch, number uint64),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		r, err := s.reading(ctx)
		var own []kept
		if err == nil {
			own, err = s.collect(ctx, kind, match, from, to)
		}
		if err != nil {
			yield(none, err)
			return
		}
		// before yields those of the spool that come before a key, and reports whether
		// the loop goes on.
		before := func(epoch, number uint64) bool {
			for len(own) > 0 && own[0].compare(epoch, number) < 0 {
				x, err := decode(own[0].record)
				if own = own[1:]; !yield(x, err) || err != nil {
					return false
				}
			}
			return true
		}
		found := len(own) > 0
		for x, err := range read(r, ctx, match, from, to) {
			if found && errors.Is(err, core.ErrNotFound) {
				break // that is, in the store
			}
			if err != nil {
				yield(none, err)
				return
			}
			epoch, number := keyOf(&x)
			if !before(epoch, number) {
				return
			}
			if len(own) > 0 && own[0].compare(epoch, number) == 0 {
				continue
			}
			if !yield(x, nil) {
				return
			}
		}
		for _, k := range own {
			if x, err := decode(k.record); !yield(x, err) || err != nil {
				return
			}
		}
	}
}
