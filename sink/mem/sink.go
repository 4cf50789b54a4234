package mem

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/parley-net/parley/core"
)

// Sink writes to a Store and reads from it. Store.Open makes one. It is safe for
// concurrent use. It holds nothing but its place in the store, yet Close is due, as
// it is what waits for writes under way.
type Sink struct {
	store *Store

	mu     sync.Mutex
	closed bool
	writes int           // under way
	idle   chan struct{} // closed when closed, and no write is under way
}

var (
	_ core.SnapshotSink   = (*Sink)(nil)
	_ core.SnapshotReader = (*Sink)(nil)
)

func errClosed() error { return core.Errorf(core.ErrClosed, "mem: the sink is closed") }

// begin notes a write under way; end must follow if it returns nil.
func (s *Sink) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("mem: nothing written: %w", err)
	}
	s.writes++
	return nil
}

func (s *Sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes--; s.closed && s.writes == 0 {
		close(s.idle)
	}
}

// WriteSnapshot stores a copy of x, in place of one with the same match, epoch and
// tick. It returns when the copy is in the store. After an error nothing of x is
// stored: core.ErrClosed after Close, core.ErrUnsupported for a value that is no
// field value, else the cause of ctx or that the store is stopped.
func (s *Sink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	own := &snapshot{Snapshot: x}
	own.Match, own.Time, own.Objects = strings.Clone(x.Match), x.Time.UTC().Round(0), nil
	if x.Objects != nil {
		for o := range x.Objects {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("mem: snapshot given up after %d objects: %w", len(own.objects), err)
			}
			copied, err := copyObject(o)
			if err != nil {
				return fmt.Errorf("mem: object %d: %w", o.ID, err)
			}
			own.objects = append(own.objects, copied)
		}
	}
	return s.store.putSnapshot(own)
}

// WriteEvents stores copies of events, each in place of one with the same match,
// epoch and number, and returns how many. Those before the first that is refused
// are stored, and n counts them; if the store is stopped or ctx has ended, none.
// The errors are those of WriteSnapshot.
func (s *Sink) WriteEvents(ctx context.Context, events []core.Event) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	own := make([]*core.Event, 0, len(events))
	var refused error
	for i := range events {
		e, err := copyEvent(&events[i])
		if err != nil {
			refused = fmt.Errorf("mem: event %d: %w", events[i].Seq, err)
			break
		}
		own = append(own, e)
	}
	if err := s.store.putEvents(own); err != nil {
		return 0, err
	}
	return len(own), refused
}

// Close makes later writes and reads fail with core.ErrClosed and waits for writes
// under way. It returns nil, or the cause of ctx if that ends first: the writes then
// still end by themselves, and Close may be called again to wait for them.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if s.writes == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	select {
	case <-s.idle:
		return nil
	default:
	}
	select {
	case <-s.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mem: closed, and writes are still under way: %w", ctx.Err())
	}
}
