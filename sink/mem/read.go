package mem

import (
	"context"
	"fmt"
	"iter"

	"github.com/parley-net/parley/core"
)

// ready tells whether one may read.
func (s *Sink) ready(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("mem: nothing read: %w", err)
	}
	return nil
}

// Matches returns the names of all matches of which something is stored, in
// ascending order of their bytes.
func (s *Sink) Matches(ctx context.Context) ([]string, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	return s.store.names()
}

// Latest returns a copy of the newest snapshot of a match, by epoch and then tick,
// or an error that wraps core.ErrNotFound. Its objects may be ranged over at any
// time.
func (s *Sink) Latest(ctx context.Context, name string) (core.Snapshot, error) {
	if err := s.ready(ctx); err != nil {
		return core.Snapshot{}, err
	}
	var found *snapshot
	err := s.store.read(name, func(m *match) {
		if n := len(m.snapshots); n > 0 {
			found = m.snapshots[n-1]
		}
	})
	if err != nil {
		return core.Snapshot{}, err
	}
	if found == nil {
		return core.Snapshot{}, core.Errorf(core.ErrNotFound, "mem: no snapshot of match %q", name)
	}
	return found.out(), nil
}

// Snapshots yields copies of the snapshots of a match from one tick to another, as
// they were when the loop began. A match that is not stored has none. The loop may
// write, and may end early.
func (s *Sink) Snapshots(ctx context.Context, name string, from, to uint64) iter.Seq2[core.Snapshot, error] {
	return func(yield func(core.Snapshot, error) bool) {
		var list []*snapshot
		err := s.collect(ctx, name, func(m *match) {
			for _, x := range m.snapshots {
				if x.Tick >= from && x.Tick <= to {
					list = append(list, x)
				}
			}
		})
		for _, x := range list {
			if err = s.ready(ctx); err != nil || !yield(x.out(), nil) {
				break
			}
		}
		if err != nil {
			yield(core.Snapshot{}, err)
		}
	}
}

// Events yields copies of the events of a match from one tick to another, as
// Snapshots does.
func (s *Sink) Events(ctx context.Context, name string, from, to uint64) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		var list []*core.Event
		err := s.collect(ctx, name, func(m *match) {
			for _, e := range m.events {
				if e.Tick >= from && e.Tick <= to {
					list = append(list, e)
				}
			}
		})
		for _, e := range list {
			if err = s.ready(ctx); err != nil {
				break
			}
			out, _ := copyEvent(e) // was copied once before
			if !yield(*out, nil) {
				break
			}
		}
		if err != nil {
			yield(core.Event{}, err)
		}
	}
}

func (s *Sink) collect(ctx context.Context, name string, with func(m *match)) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.store.read(name, with)
}

// out returns x for a reader, who gets copies of the objects as they are ranged over.
func (x *snapshot) out() core.Snapshot {
	s := x.Snapshot
	s.Objects = func(yield func(core.ObjectState) bool) {
		for _, o := range x.objects {
			own, _ := copyObject(o) // was copied once before
			if !yield(own) {
				return
			}
		}
	}
	return s
}
