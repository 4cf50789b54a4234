package conformance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

// The laws of a store that goes down and comes back.
var sinkOutageLaws = []law[Sink]{
	sinkOutage("Outage/FailsInTime", "While the store is stopped, writes and Close return within their context, and a write that returns nil is stored all the same.",
		func(k *sinkKit, stop, start func()) error {
			m := k.match()
			before := sinkSnapshotOf(m, 1, 1, 5)
			if err := k.write(before); err != nil {
				return err
			}
			stop()
			want := []core.Snapshot{before}
			for tick := uint64(2); tick < 5; tick++ {
				s := sinkSnapshotOf(m, 1, tick, 5)
				err := k.briefly("WriteSnapshot", func(ctx context.Context) error { return k.sink.WriteSnapshot(ctx, s) })
				if hangs := (*sinkHangs)(nil); errors.As(err, &hangs) {
					return err
				}
				if err == nil {
					want = append(want, s)
				}
			}
			err := k.briefly("Close", func(ctx context.Context) error {
				_ = k.sink.Close(ctx) // may say that it could not do all
				return nil
			})
			if err != nil {
				return err
			}
			k.closed = true
			start()
			if k.reader == nil {
				return nil
			}
			k.open()
			return k.recovers(func() error {
				for _, s := range want {
					got, err := k.snapshots(m, s.Tick, s.Tick)
					if err != nil {
						return err
					}
					if err := sinkSameSnapshots([]core.Snapshot{s}, got); err != nil {
						return fmt.Errorf("acknowledged: %w", err)
					}
				}
				return nil
			})
		}),
	sinkOutage("Outage/Recovers", "Once the store runs again, the same sink works again; what was acknowledged is there, and what was written again is there once.",
		func(k *sinkKit, stop, start func()) error {
			m := k.match()
			var snapshots []core.Snapshot
			events := sinkEventsOf(m, 1, 1, 60)
			stored := 0
			for round := range uint64(2) {
				s := sinkSnapshotOf(m, 1, round*2, 5)
				snapshots = append(snapshots, s)
				if err := errors.Join(k.write(s), k.put(events[stored:stored+10]...)); err != nil {
					return fmt.Errorf("before the store was stopped: %w", err)
				}
				stored += 10
				stop()
				s = sinkSnapshotOf(m, 1, round*2+1, 5)
				snapshots = append(snapshots, s)
				batch := events[stored : stored+20]
				n := 0
				snapErr := k.briefly("WriteSnapshot", func(ctx context.Context) error { return k.sink.WriteSnapshot(ctx, s) })
				eventErr := k.briefly("WriteEvents", func(ctx context.Context) (err error) {
					n, err = k.sink.WriteEvents(ctx, batch)
					return err
				})
				if hangs := (*sinkHangs)(nil); errors.As(snapErr, &hangs) || errors.As(eventErr, &hangs) {
					return errors.Join(snapErr, eventErr)
				}
				if n < 0 || n > len(batch) || n < len(batch) && eventErr == nil {
					return fmt.Errorf("WriteEvents of %d events returned %d and %v", len(batch), n, eventErr)
				}
				start()
				if snapErr != nil {
					if err := k.recovers(func() error { return k.write(s) }); err != nil {
						return err
					}
				}
				if n < len(batch) {
					if err := k.recovers(func() error { return k.put(batch[n:]...) }); err != nil {
						return err
					}
				}
				stored += len(batch)
			}
			if k.reader == nil {
				return nil
			}
			return k.recovers(func() error {
				return errors.Join(k.holdsSnapshots(m, snapshots...), k.holdsEvents(m, events...))
			})
		}),
}

// sinkOutage makes a law that stops the store and starts it again; it is started
// however the check ends.
func sinkOutage(name, says string, check func(k *sinkKit, stop, start func()) error) law[Sink] {
	return sinkWrites(name, says, func(k *sinkKit) error {
		if k.h.Stop == nil || k.h.Start == nil {
			return skip("Sink.Stop and Sink.Start are not set, so the store cannot be stopped and started again")
		}
		down := false
		start := func() {
			if down {
				k.h.Start(k.tb)
				down = false
			}
		}
		defer start()
		return check(k, func() { k.h.Stop(k.tb); down = true }, start)
	})
}

// briefly calls f with a context that ends soon.
func (k *sinkKit) briefly(what string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(k.env, 200*time.Millisecond)
	defer cancel()
	return k.returns(ctx, what, f)
}

// recovers repeats f until it succeeds, for as long as a sink may take to work
// again.
func (k *sinkKit) recovers(f func() error) error {
	end := time.Now().Add(k.wait)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if hangs := (*sinkHangs)(nil); errors.As(err, &hangs) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the store runs again for %v: %w", k.wait, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
