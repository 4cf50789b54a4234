package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/parley-net/parley/core"
)

// The laws of core.SnapshotReader.
var sinkReadLaws = []law[Sink]{
	sinkReads("Read/Ranges", "Snapshots and Events yield what lies from one tick to another, both included, of every epoch, and nothing where the range holds nothing.",
		func(k *sinkKit) error {
			m := k.match()
			ticks := []uint64{0, 2, 4, 9, 10, 11, 100, 1 << 40}
			var snapshots []core.Snapshot
			var events []core.Event
			for epoch := uint64(1); epoch < 3; epoch++ {
				for i, tick := range ticks {
					snapshots = append(snapshots, sinkSnapshotOf(m, epoch, tick, 1))
					for j := range uint64(2) {
						events = append(events, core.Event{Match: m, Epoch: epoch, Seq: uint64(i)*2 + j + 1, Tick: tick, Time: sinkTime, Kind: "k"})
					}
				}
			}
			for _, s := range snapshots {
				if err := k.write(s); err != nil {
					return err
				}
			}
			if err := k.put(events...); err != nil {
				return err
			}
			for _, r := range [][2]uint64{{0, 0}, {2, 2}, {2, 10}, {3, 3}, {3, 8}, {9, 11}, {10, 100}, {11, sinkEnd}, {1 << 40, sinkEnd}, {1<<40 + 1, sinkEnd}, {10, 9}, {sinkEnd, 0}, {0, sinkEnd}} {
				outside := func(tick uint64) bool { return tick < r[0] || tick > r[1] }
				wantSnapshots := slices.DeleteFunc(slices.Clone(snapshots), func(s core.Snapshot) bool { return outside(s.Tick) })
				wantEvents := slices.DeleteFunc(slices.Clone(events), func(e core.Event) bool { return outside(e.Tick) })
				gotSnapshots, err := k.snapshots(m, r[0], r[1])
				gotEvents, err2 := k.events(m, r[0], r[1])
				if err := errors.Join(err, err2, sinkSameSnapshots(wantSnapshots, gotSnapshots), sinkSameEvents(wantEvents, gotEvents)); err != nil {
					return fmt.Errorf("ticks %d to %d: %w", r[0], r[1], err)
				}
			}
			return nil
		}),
	sinkReads("Read/NotFound", "Latest of a match without snapshots is an error that wraps ErrNotFound, even if it has events; its ranges are empty.",
		func(k *sinkKit) error {
			none, events := k.match(), k.match()
			if err := k.put(sinkEventsOf(events, 1, 1, 3)...); err != nil {
				return err
			}
			for _, m := range []string{none, events} {
				if _, err := k.latest(m); !errors.Is(err, core.ErrNotFound) {
					return fmt.Errorf("returned by Latest: %v, want an error that wraps ErrNotFound", err)
				}
				if err := k.holdsSnapshots(m); err != nil {
					return err
				}
			}
			return errors.Join(k.holdsEvents(none), k.holdsEvents(events, sinkEventsOf(events, 1, 1, 3)...))
		}),
	sinkReads("Read/Matches", "Matches returns the name of each match that has snapshots or events once, in ascending order.",
		func(k *sinkKit) error {
			base := k.match()
			var want []string
			for _, end := range []string{"b", "a", "a/b", "", "B", "é", "10", "9"} {
				m := base + end
				want = append(want, m)
				if err := errors.Join(k.write(sinkSnapshotOf(m, 1, 1, 1)), k.write(sinkSnapshotOf(m, 2, 2, 1)), k.put(sinkEventsOf(m, 1, 1, 2)...)); err != nil {
					return err
				}
			}
			slices.Sort(want)
			var all []string
			err := k.soon("Matches", func(ctx context.Context) (err error) {
				all, err = k.reader.Matches(ctx)
				return err
			})
			if err != nil {
				return err
			}
			if !slices.IsSorted(all) {
				return fmt.Errorf("not in ascending order: %q", all)
			}
			got := slices.DeleteFunc(slices.Clone(all), func(m string) bool { return !slices.Contains(want, m) })
			if !slices.Equal(got, want) {
				return fmt.Errorf("of the matches %q, Matches returned %q", want, got)
			}
			return nil
		}),
	sinkReads("Read/OwnCopy", "What was read is the reader's: changing it changes nothing that is stored.",
		func(k *sinkKit) error {
			m := k.match()
			value := map[string]any{"b": []byte("bytes"), "l": []any{int64(1), []byte("x")}}
			object := core.ObjectState{ID: 1, Fields: []core.Field{{Name: "v", Value: value}, {Name: "b", Value: []byte("top")}}}
			s := sinkSnapshotWith(m, 1, 1, []core.ObjectState{object})
			events := sinkEventsOf(m, 1, 1, 1)
			events[0].Data = value
			if err := errors.Join(k.write(s), k.put(events...)); err != nil {
				return err
			}
			spoil := func(data map[string]any) {
				clear(data["b"].([]byte))
				clear(data["l"].([]any)[1].([]byte))
				clear(data["l"].([]any))
				data["new"] = true
			}
			err := k.soon("reading", func(ctx context.Context) error {
				for s, err := range k.reader.Snapshots(ctx, m, 0, sinkEnd) {
					if err != nil {
						return err
					}
					for o := range s.Objects {
						spoil(o.Fields[0].Value.(map[string]any))
						clear(o.Fields[1].Value.([]byte))
					}
				}
				for e, err := range k.reader.Events(ctx, m, 0, sinkEnd) {
					if err != nil {
						return err
					}
					spoil(e.Data)
				}
				return nil
			})
			if err != nil {
				return err
			}
			return errors.Join(k.holdsSnapshots(m, s), k.holdsEvents(m, events...))
		}),
	sinkReads("Read/Break", "A loop over Snapshots or Events may end early, and the sink goes on working; the same range may be looped over again.",
		func(k *sinkKit) error {
			m := k.match()
			snapshots := []core.Snapshot{sinkSnapshotOf(m, 1, 1, 2), sinkSnapshotOf(m, 1, 2, 2), sinkSnapshotOf(m, 1, 3, 2)}
			events := sinkEventsOf(m, 1, 1, 9)
			if err := errors.Join(k.write(snapshots[0]), k.write(snapshots[1]), k.put(events[:6]...)); err != nil {
				return err
			}
			err := k.soon("reading", func(ctx context.Context) error {
				list, log := k.reader.Snapshots(ctx, m, 0, sinkEnd), k.reader.Events(ctx, m, 0, sinkEnd)
				for range 2 {
					for s, err := range list {
						if err != nil || s.Tick != 1 {
							return fmt.Errorf("the first snapshot is of tick %d: %w", s.Tick, err)
						}
						for range s.Objects {
							break
						}
						break
					}
					for e, err := range log {
						if err != nil || e.Seq != 1 {
							return fmt.Errorf("the first event is number %d: %w", e.Seq, err)
						}
						break
					}
				}
				return nil
			})
			if err := errors.Join(err, k.write(snapshots[2]), k.put(events[6:]...)); err != nil {
				return err
			}
			return errors.Join(k.holdsSnapshots(m, snapshots...), k.holdsEvents(m, events...))
		}),
	sinkReads("Read/Context", "Reading with a context that has ended returns in time, with all there is or with an error, and never with less and no error.",
		func(k *sinkKit) error {
			m := k.match()
			if err := errors.Join(k.write(sinkSnapshotOf(m, 1, 1, 2)), k.put(sinkEventsOf(m, 1, 1, 4)...)); err != nil {
				return err
			}
			ended, cancel := context.WithCancel(k.env)
			cancel()
			return k.returns(ended, "reading", func(ctx context.Context) error {
				if _, err := k.reader.Matches(ctx); err == nil {
					k.logf("Matches does not look at its context") // which is allowed
				}
				s, err := k.reader.Latest(ctx, m)
				if err == nil && s.Match != m || errors.Is(err, core.ErrNotFound) {
					return fmt.Errorf("found by Latest: match %q, error %v", s.Match, err)
				}
				snapshots, events := 0, 0
				for _, err := range k.reader.Snapshots(ctx, m, 0, sinkEnd) {
					snapshots++
					if err != nil {
						snapshots = 1
					}
				}
				for _, err := range k.reader.Events(ctx, m, 0, sinkEnd) {
					events++
					if err != nil {
						events = 4
					}
				}
				if snapshots != 1 || events != 4 {
					return fmt.Errorf("of 1 snapshot and 4 events, %d and %d were read, and no error says why", snapshots, events)
				}
				return nil
			})
		}),
	sinkReads("Concurrent/Use", "Writes and reads of one sink by many goroutines, of the same match and of others, all come through.",
		func(k *sinkKit) error {
			const workers, ticks = 8, 12
			shared := k.match()
			names := make([]string, workers)
			errs := make([]error, 2*workers)
			var wg sync.WaitGroup
			for w := range workers {
				names[w] = k.match()
				wg.Go(func() {
					for tick := range uint64(ticks) {
						errs[w] = errors.Join(errs[w], k.write(sinkSnapshotOf(names[w], 1, tick, 3)), k.put(sinkEventsOf(names[w], 1, tick+1, 1)...),
							k.write(sinkSnapshotOf(shared, uint64(w), tick, 2)), k.write(sinkSnapshotOf(shared, workers, tick, 2)), k.put(sinkEventsOf(shared, uint64(w), tick*2+1, 2)...))
					}
				})
				wg.Go(func() {
					for range ticks / 2 {
						list, err := k.snapshots(shared, 0, sinkEnd)
						for _, s := range list {
							err = errors.Join(err, sinkSameSnapshot(sinkSnapshotOf(shared, s.Epoch, s.Tick, 2), s))
						}
						if errors.Is(err, core.ErrNotFound) {
							err = nil
						}
						errs[workers+w] = errors.Join(errs[workers+w], err)
					}
				})
			}
			wg.Wait()
			var all []core.Snapshot
			var events []core.Event
			for epoch := range uint64(workers + 1) {
				var own []core.Snapshot
				for tick := range uint64(ticks) {
					all = append(all, sinkSnapshotOf(shared, epoch, tick, 2))
					if epoch < workers {
						own = append(own, sinkSnapshotOf(names[epoch], 1, tick, 3))
					}
				}
				if epoch < workers {
					errs = append(errs, k.holdsSnapshots(names[epoch], own...))
					events = append(events, sinkEventsOf(shared, epoch, 1, 2*ticks)...)
					errs = append(errs, k.holdsEvents(names[epoch], sinkEventsOf(names[epoch], 1, 1, ticks)...))
				}
			}
			errs = append(errs, k.holdsSnapshots(shared, all...), k.holdsEvents(shared, events...))
			return cmp.Or(errs...)
		}),
}
