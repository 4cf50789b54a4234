package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/parley-net/parley/core"
)

// The laws of keys: matches, epochs, ticks and numbers.
var sinkKeyLaws = []law[Sink]{
	sinkReads("Keys/OddNames", "Any text is the name of a match: with spaces, slashes, dots, $, quotes, letters of any script, in upper or lower case, and 300 bytes long.",
		func(k *sinkKit) error {
			base := k.match()
			names := []string{" lead and trail ", "a/b", "a\\b", "../../up", "..", ".", "a.b.c", "$cmd", "{braced}", "a:b", "a*b?", "q'u\"o`te", "%2f", "tab\tnew\nline",
				"größe", "世界🎲", "UPPER", "upper", "é", "e\u0301", "NUL", "-", "_id", strings.Repeat("long", 75), strings.Repeat("long", 75) + "er"}
			for _, name := range slices.Clone(names) {
				names = append(names, name+"|"+base)
			}
			var snapshots []core.Snapshot
			for i, name := range names {
				if i < len(names)/2 {
					name = base + "|" + name
				}
				s := sinkSnapshotOf(name, 1, uint64(i), 2)
				snapshots = append(snapshots, s)
				if err := errors.Join(k.write(s), k.put(sinkEventsOf(name, 1, 1, i%3+1)...)); err != nil {
					return fmt.Errorf("match %q: %w", name, err)
				}
			}
			for i, s := range snapshots {
				if err := errors.Join(k.holdsSnapshots(s.Match, s), k.holdsEvents(s.Match, sinkEventsOf(s.Match, 1, 1, i%3+1)...)); err != nil {
					return fmt.Errorf("match %q: %w", s.Match, err)
				}
			}
			return nil
		}),
	sinkReads("Keys/Apart", "Matches never meet, however their names and numbers would read side by side.",
		func(k *sinkKit) error {
			base := k.match()
			type key struct {
				match string
				epoch uint64
			}
			var keys []key
			for _, end := range []string{"", "1", "11", "/1", "/1/1", ":1", ":1:1", ".1", "-1", "_1", "|1", " 1", "%", "*", "?", "1/", "/", "[1]"} {
				keys = append(keys, key{base + end, 1}, key{base + end, 11})
			}
			for i, x := range keys {
				for _, tick := range []uint64{1, 11, 111} {
					if err := k.write(sinkSnapshotOf(x.match, x.epoch, tick, i%3+1)); err != nil {
						return err
					}
				}
				if err := k.put(sinkEventsOf(x.match, x.epoch, 1, 11)...); err != nil {
					return err
				}
			}
			for i := 0; i < len(keys); i += 2 {
				m := keys[i].match
				var want []core.Snapshot
				for j, epoch := range []uint64{1, 11} {
					for _, tick := range []uint64{1, 11, 111} {
						want = append(want, sinkSnapshotOf(m, epoch, tick, (i+j)%3+1))
					}
				}
				events := slices.Concat(sinkEventsOf(m, 1, 1, 11), sinkEventsOf(m, 11, 1, 11))
				if err := errors.Join(k.holdsSnapshots(m, want...), k.holdsEvents(m, events...)); err != nil {
					return fmt.Errorf("match %q: %w", m, err)
				}
			}
			return nil
		}),
	sinkReads("Keys/Extremes", "Epoch, tick and number use all 64 bits, and keep their order there.",
		func(k *sinkKit) error {
			m := k.match()
			ends := []uint64{0, 1, 9, 10, 1<<32 - 1, 1 << 32, 1 << 53, 1<<53 + 1, math.MaxInt64, 1 << 63, math.MaxUint64 - 1, math.MaxUint64}
			var snapshots []core.Snapshot
			var events []core.Event
			for _, epoch := range []uint64{0, 1<<53 + 1, math.MaxUint64} {
				for _, end := range ends {
					snapshots = append(snapshots, sinkSnapshotOf(m, epoch, end, 1))
					events = append(events, core.Event{Match: m, Epoch: epoch, Seq: max(end, 2) - 1, Tick: end, Time: sinkTime, Kind: "k"})
				}
			}
			events = slices.CompactFunc(events, func(a, b core.Event) bool { return a.Epoch == b.Epoch && a.Seq == b.Seq })
			for _, s := range snapshots {
				if err := k.write(s); err != nil {
					return err
				}
			}
			if err := k.put(events...); err != nil {
				return err
			}
			return errors.Join(k.holdsSnapshots(m, snapshots...), k.holdsEvents(m, events...))
		}),
	sinkReads("Keys/TwoMatches", "Two matches written at the same time each keep their own snapshots and events.",
		func(k *sinkKit) error {
			const ticks = 20
			names := []string{k.match(), k.match()}
			errs := make([]error, len(names))
			var wg sync.WaitGroup
			for i, m := range names {
				wg.Go(func() {
					for tick := range uint64(ticks) {
						errs[i] = errors.Join(errs[i], k.write(sinkSnapshotOf(m, 1, tick, 3+i)), k.put(sinkEventsOf(m, 1, tick*3+1, 3)...))
					}
				})
			}
			wg.Wait()
			for i, m := range names {
				var want []core.Snapshot
				for tick := range uint64(ticks) {
					want = append(want, sinkSnapshotOf(m, 1, tick, 3+i))
				}
				errs = append(errs, k.holdsSnapshots(m, want...), k.holdsEvents(m, sinkEventsOf(m, 1, 1, 3*ticks)...))
			}
			return cmp.Or(errs...)
		}),
	sinkReads("Epoch/Apart", "The same tick or number in another epoch is another record: a match that was restored never meets its past.",
		func(k *sinkKit) error {
			m := k.match()
			var snapshots []core.Snapshot
			var events []core.Event
			for epoch := range uint64(4) {
				snapshots = append(snapshots, sinkSnapshotOf(m, epoch, 7, int(epoch)+1))
				events = append(events, sinkEventsOf(m, epoch, 1, 5)...)
			}
			for _, s := range snapshots {
				if err := k.write(s); err != nil {
					return err
				}
			}
			if err := k.put(events...); err != nil {
				return err
			}
			return errors.Join(k.holdsSnapshots(m, snapshots...), k.holdsEvents(m, events...))
		}),
	sinkReads("Epoch/Latest", "Latest is the highest tick of the highest epoch, whatever was written last and however high the ticks of older epochs are.",
		func(k *sinkKit) error {
			m := k.match()
			latest := func(want core.Snapshot) error {
				got, err := k.latest(m)
				if err == nil {
					err = sinkSameSnapshot(want, got)
				}
				return err
			}
			old, older := sinkSnapshotOf(m, 2, 900, 2), sinkSnapshotOf(m, 2, 90, 2)
			first, low, high := sinkSnapshotOf(m, 9, 1000, 1), sinkSnapshotOf(m, 10, 5, 2), sinkSnapshotOf(m, 10, 6, 3)
			for _, step := range []struct{ write, want core.Snapshot }{{old, old}, {older, old}, {first, first}, {high, high}, {low, high}, {old, high}, {first, high}} {
				if err := k.write(step.write); err != nil {
					return err
				}
				if err := latest(step.want); err != nil {
					return fmt.Errorf("after writing %d/%d: %w", step.write.Epoch, step.write.Tick, err)
				}
			}
			return nil
		}),
}
