package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

var sinkEndMutants = []sinkMutant{
	{law: "Context/Ended", says: "returns nil and stores nothing when its context has ended", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			if ctx.Err() != nil {
				return nil
			}
			return next(ctx, s)
		}
	}},
	{law: "Context/Ended", says: "counts events that it did not store when its context has ended", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.put
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			_, err := next(ctx, events)
			return len(events), err
		}
	}},
	{law: "Context/Ended", says: "tries again for ever, whatever its context says", quick: true, spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.put
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			if _, err := next(ctx, events); err != nil {
				select {}
			}
			return len(events), nil
		}
	}},
	{law: "Close/Idempotent", says: "fails when it is closed a second time", spoil: func(d *sinkDouble, _ *mem.Store) {
		var closed atomic.Bool
		d.close = func(ctx context.Context) error {
			if closed.Swap(true) {
				return core.ErrClosed
			}
			return d.Sink.Close(ctx)
		}
	}},
	{law: "Close/Idempotent", says: "panics when it is closed a second time", spoil: func(d *sinkDouble, _ *mem.Store) {
		done := make(chan struct{})
		d.close = func(ctx context.Context) error {
			close(done)
			return d.Sink.Close(ctx)
		}
	}},
	{law: "Close/Refuses", says: "fails after Close with an error of its own kind", spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			if err := next(ctx, s); err != nil {
				return errors.New("use of closed sink")
			}
			return nil
		}
	}},
	{law: "Close/Refuses", says: "stores events after Close", spoil: func(d *sinkDouble, store *mem.Store) {
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			return store.Open().WriteEvents(ctx, events)
		}
	}},
	{law: "Close/WaitsForWrites", says: "does not wait for writes under way", spoil: func(d *sinkDouble, _ *mem.Store) {
		d.close = func(ctx context.Context) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_ = d.Sink.Close(ended)
			return nil
		}
	}},
	{law: "Close/WaitsForWrites", says: "gives up writes under way", spoil: func(d *sinkDouble, store *mem.Store) {
		var closed atomic.Bool
		d.eachObject(func(*core.ObjectState) bool { return true })
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			err := next(ctx, s)
			if closed.Load() {
				return core.ErrClosed
			}
			return err
		}
		d.close = func(ctx context.Context) error {
			closed.Store(true)
			return d.Sink.Close(ctx)
		}
	}},
	{law: "Close/UnderFire", says: "drops at Close what it has gathered", spoil: func(d *sinkDouble, _ *mem.Store) {
		var mu sync.Mutex
		var queue []core.Event
		closed := false
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			if closed {
				return 0, core.ErrClosed
			}
			if queue = append(queue, events...); len(queue) >= 64 {
				last := len(queue) - 1
				_, _ = d.Sink.WriteEvents(ctx, queue[:last])
				queue = queue[last:]
			}
			return len(events), nil
		}
		d.close = func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			closed = true
			return d.Sink.Close(ctx)
		}
	}},
	{law: "Reopen/Keeps", says: "begins with an empty store each time", spoil: func(d *sinkDouble, _ *mem.Store) { *d = *newSinkDouble(new(mem.Store).Open()) }},
	{law: "Reopen/Keeps", says: "loses the last event when it is closed", spoil: func(d *sinkDouble, store *mem.Store) {
		var last []core.Event
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			n, err := d.Sink.WriteEvents(ctx, append(slices.Clone(last), events[:len(events)-1]...))
			last = slices.Clone(events[len(events)-1:])
			return n - len(last) + 1, err
		}
		d.readEvents(func(list []core.Event) []core.Event { return append(list, last...) })
	}},
	{law: "Outage/FailsInTime", says: "waits for the store, whatever its context says", quick: true, spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error {
			if err := next(ctx, s); err != nil {
				select {}
			}
			return nil
		}
	}},
	{law: "Outage/FailsInTime", says: "swallows the errors of the store", quick: true, spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.snapshot
		d.snapshot = func(ctx context.Context, s core.Snapshot) error { _ = next(ctx, s); return nil }
	}},
	{law: "Outage/Recovers", says: "fails for ever once it has failed", quick: true, spoil: func(d *sinkDouble, _ *mem.Store) {
		next, broken := d.put, error(nil)
		d.put = func(ctx context.Context, events []core.Event) (n int, err error) {
			if broken == nil {
				n, broken = next(ctx, events)
			}
			return n, broken
		}
	}},
	{law: "Outage/Recovers", says: "counts events that a stopped store did not take", quick: true, spoil: func(d *sinkDouble, _ *mem.Store) {
		next := d.put
		d.put = func(ctx context.Context, events []core.Event) (int, error) {
			_, err := next(ctx, events)
			return len(events), err
		}
	}},
}
