package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// The laws of contexts, of Close and of opening again.
var sinkEndLaws = []law[Sink]{
	sinkWrites("Context/Ended", "With a context that has ended, writes and Close return in time; a write that returns nil nevertheless has stored all.",
		func(k *sinkKit) error {
			m := k.match()
			ended, cancel := context.WithCancel(k.env)
			cancel()
			s, events := sinkSnapshotOf(m, 1, 1, 50), sinkEventsOf(m, 1, 1, 5)
			snapErr := k.returns(ended, "WriteSnapshot", func(ctx context.Context) error { return k.sink.WriteSnapshot(ctx, s) })
			n := 0
			eventErr := k.returns(ended, "WriteEvents", func(ctx context.Context) (err error) {
				n, err = k.sink.WriteEvents(ctx, events)
				return err
			})
			if hangs := (*sinkHangs)(nil); errors.As(snapErr, &hangs) || errors.As(eventErr, &hangs) {
				return errors.Join(snapErr, eventErr)
			}
			if n < 0 || n > len(events) || n < len(events) && eventErr == nil {
				return fmt.Errorf("WriteEvents of %d events returned %d and %v", len(events), n, eventErr)
			}
			if k.reader != nil {
				if snapErr == nil {
					if err := k.holdsSnapshots(m, s); err != nil {
						return fmt.Errorf("WriteSnapshot returned nil, and then: %w", err)
					}
				}
				got, err := k.events(m, 0, sinkEnd)
				if len(got) < n {
					return fmt.Errorf("WriteEvents returned that %d events are stored, and %d are (%w)", n, len(got), err)
				}
			}
			err := k.returns(ended, "Close", func(ctx context.Context) error {
				_ = k.sink.Close(ctx) // may give the cause of the context
				return nil
			})
			return err
		}),
	sinkWrites("Close/Idempotent", "Close may be called again, by several at once and after it is done, and returns nil.",
		func(k *sinkKit) error {
			if err := k.write(sinkSnapshotOf(k.match(), 1, 1, 2)); err != nil {
				return err
			}
			errs := make([]error, 6)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() { errs[i] = k.soon("Close", func(ctx context.Context) error { return k.sink.Close(ctx) }) })
			}
			wg.Wait()
			for range 2 {
				k.closed = false
				errs = append(errs, k.close())
			}
			return errors.Join(errs...)
		}),
	sinkWrites("Close/Refuses", "After Close, WriteSnapshot and WriteEvents return errors that wrap ErrClosed, and store nothing.",
		func(k *sinkKit) error {
			m := k.match()
			before := sinkSnapshotOf(m, 1, 1, 2)
			if err := errors.Join(k.write(before), k.close()); err != nil {
				return err
			}
			for range 2 {
				if err := k.write(sinkSnapshotOf(m, 1, 2, 2)); !errors.Is(err, core.ErrClosed) {
					return fmt.Errorf("after Close, WriteSnapshot returned %v, want an error that wraps ErrClosed", err)
				}
				if n, err := k.putSome(sinkEventsOf(m, 1, 1, 2)); n != 0 || !errors.Is(err, core.ErrClosed) {
					return fmt.Errorf("after Close, WriteEvents returned %d and %v, want 0 and an error that wraps ErrClosed", n, err)
				}
			}
			if k.reader == nil {
				return nil
			}
			k.open()
			got, err := k.snapshots(m, 2, sinkEnd)
			if err == nil && len(got) > 0 {
				return errors.New("a snapshot written after Close was stored")
			}
			return nil
		}),
	sinkWrites("Close/WaitsForWrites", "Close waits for writes under way, which end as if there were no Close.",
		func(k *sinkKit) error {
			s := sinkSnapshotOf(k.match(), 1, 1, 20)
			under, release := make(chan struct{}), make(chan struct{})
			var once sync.Once
			objects := s.Objects
			slow := s
			slow.Objects = func(yield func(core.ObjectState) bool) {
				once.Do(func() { close(under) })
				<-release
				objects(yield)
			}
			wrote, closed := make(chan error, 1), make(chan error, 1)
			go func() { wrote <- k.write(slow) }()
			select {
			case <-under:
			case err := <-wrote:
				close(release)
				return fmt.Errorf("WriteSnapshot returned %v before it had ranged over the objects", err)
			}
			go func() { closed <- k.close() }()
			early := false
			var err error
			select {
			case err = <-closed:
				early = true
			case <-time.After(50 * time.Millisecond):
			}
			close(release)
			writeErr := <-wrote
			if early {
				return fmt.Errorf("while a write was under way, which returned %v later, Close returned %v", writeErr, err)
			}
			return errors.Join(writeErr, <-closed)
		}),
	sinkReads("Close/UnderFire", "A write that meets Close is stored if it returned nil, and else failed with ErrClosed.",
		func(k *sinkKit) error {
			const workers, most = 4, 50_000
			names, errs := make([]string, workers), make([]error, workers)
			stored := make([]uint64, workers)
			var wg sync.WaitGroup
			for w := range workers {
				names[w] = k.match()
				wg.Go(func() {
					for seq := uint64(1); seq <= most && errs[w] == nil; seq++ {
						var n int
						n, errs[w] = k.putSome(sinkEventsOf(names[w], 1, seq, 1))
						stored[w] += uint64(n)
					}
				})
			}
			time.Sleep(10 * time.Millisecond)
			err := k.close()
			wg.Wait()
			if err != nil {
				return err
			}
			k.open()
			for w, m := range names {
				if errs[w] != nil && !errors.Is(errs[w], core.ErrClosed) {
					return errs[w]
				}
				got, err := k.events(m, 0, sinkEnd)
				if err != nil && stored[w] > 0 {
					return err
				}
				if n := min(int(stored[w]), len(got)); n < int(stored[w]) {
					return fmt.Errorf("%d events were acknowledged before Close, and %d are stored", stored[w], n)
				}
				if err := sinkSameEvents(sinkEventsOf(m, 1, 1, len(got)), got); err != nil {
					return err
				}
			}
			return nil
		}),
	sinkReads("Reopen/Keeps", "What was acknowledged is there when the store is opened again, and can be written on.",
		func(k *sinkKit) error {
			m := k.match()
			a, b := sinkSnapshotOf(m, 1, 1, 20), sinkSnapshotOf(m, 2, 2, 10)
			events := sinkEventsOf(m, 1, 1, 60)
			if err := errors.Join(k.write(a), k.put(events[:30]...), k.reopen()); err != nil {
				return err
			}
			if err := errors.Join(k.holdsSnapshots(m, a), k.holdsEvents(m, events[:30]...)); err != nil {
				return fmt.Errorf("opened again: %w", err)
			}
			if err := errors.Join(k.write(a), k.write(b), k.put(events[20:]...), k.reopen()); err != nil {
				return err
			}
			if err := errors.Join(k.holdsSnapshots(m, a, b), k.holdsEvents(m, events...)); err != nil {
				return fmt.Errorf("opened a second time: %w", err)
			}
			return nil
		}),
}
