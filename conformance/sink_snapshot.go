package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/parley-net/parley/core"
)

// The laws of WriteSnapshot.
var sinkSnapshotLaws = []law[Sink]{
	sinkReads("Snapshot/ReadBack", "A snapshot comes back with its match, epoch, tick and time (to the millisecond), its objects in their order, and their fields in theirs.",
		func(k *sinkKit) error {
			s := sinkSnapshotOf(k.match(), 1, 100, 20)
			if err := k.write(s); err != nil {
				return err
			}
			return k.holdsSnapshots(s.Match, s)
		}),
	sinkReads("Snapshot/Values", "Every kind of field value comes back with its kind and its value, extremes included; a time to the millisecond, in whatever zone.",
		func(k *sinkKit) error {
			var objects []core.ObjectState
			for i, v := range sinkValueList() {
				objects = append(objects, core.ObjectState{ID: uint64(i), Class: "one", Alive: true, Fields: []core.Field{{Name: "v", Value: v}}})
			}
			s := sinkSnapshotWith(k.match(), 1, 1, objects)
			if err := k.write(s); err != nil {
				return err
			}
			return k.holdsSnapshots(s.Match, s)
		}),
	sinkReads("Snapshot/Odd", "Numbers at the ends of their range, empty and odd names of classes and fields, objects without fields and snapshots without objects come back as they were.",
		func(k *sinkKit) error {
			m := k.match()
			fields := []core.Field{{Name: "", Value: int64(1)}, {Name: "a.b", Value: int64(2)}, {Name: "$set", Value: int64(3)}, {Name: "_id", Value: int64(4)},
				{Name: "with space", Value: int64(5)}, {Name: "ключ/鍵", Value: int64(6)}, {Name: "__proto__", Value: nil}, {Name: "a", Value: map[string]any{"b": true}}}
			odd := sinkSnapshotWith(m, 1, 2, []core.ObjectState{
				{ID: 0}, {ID: 1, Class: "a.b $c/d", Owner: math.MaxUint32, Alive: true, Fields: fields},
				{ID: 1<<53 + 1, Class: "世界"}, {ID: math.MaxUint64, Fields: fields[:1]},
			})
			empty := sinkSnapshotWith(m, 1, 1, nil)
			if err := errors.Join(k.write(odd), k.write(empty)); err != nil {
				return err
			}
			return k.holdsSnapshots(m, empty, odd)
		}),
	sinkReads("Snapshot/Large", "A snapshot of 10,000 objects and one with a field of 1 MiB come back whole.",
		func(k *sinkKit) error {
			m := k.match()
			many := sinkSnapshotOf(m, 1, 1, 10_000)
			big := sinkSnapshotWith(m, 1, 2, []core.ObjectState{{ID: 1, Class: "map", Fields: []core.Field{
				{Name: "tiles", Value: bytes.Repeat([]byte("\x00\xffgrass"), 1<<20/7+1)}, {Name: "after", Value: "it"}}}})
			if err := errors.Join(k.write(many), k.write(big)); err != nil {
				return err
			}
			return k.holdsSnapshots(m, many, big)
		}),
	sinkReads("Snapshot/Idempotent", "Writing a snapshot again leaves one copy of it, and its neighbours as they were.",
		func(k *sinkKit) error {
			m := k.match()
			a, b, c := sinkSnapshotOf(m, 1, 10, 5), sinkSnapshotOf(m, 1, 11, 6), sinkSnapshotOf(m, 1, 12, 7)
			for _, s := range []core.Snapshot{a, b, a, a, c, b, a} {
				if err := k.write(s); err != nil {
					return err
				}
			}
			return k.holdsSnapshots(m, a, b, c)
		}),
	sinkReads("Snapshot/AnyOrder", "Snapshots come back in order of epoch and tick, in whatever order they were written.",
		func(k *sinkKit) error {
			m := k.match()
			var want []core.Snapshot
			for _, epoch := range []uint64{1, 2, 10} {
				for _, tick := range []uint64{0, 2, 9, 10, 100, 1000} {
					want = append(want, sinkSnapshotOf(m, epoch, tick, 2))
				}
			}
			for i := range want {
				if err := k.write(want[(i*7+5)%len(want)]); err != nil { // 7 and 18 have no common divisor
					return err
				}
			}
			return k.holdsSnapshots(m, want...)
		}),
	sinkReads("Snapshot/UnknownOutcome", "A snapshot whose write was cut off by its context is stored whole or not at all, and whole if the write returned nil; written again, it is there once.",
		func(k *sinkKit) error {
			m := k.match()
			before := sinkSnapshotOf(m, 1, 1, 3)
			if err := k.write(before); err != nil {
				return err
			}
			want := []core.Snapshot{before}
			for i, cut := range []int{0, 1, 150, 299, 300} {
				s := sinkSnapshotOf(m, 1, uint64(i+2), 300)
				err := k.writeCut(s, cut)
				if hangs := (*sinkHangs)(nil); errors.As(err, &hangs) {
					return err
				}
				got, readErr := k.snapshots(m, s.Tick, s.Tick)
				if readErr != nil {
					return readErr
				}
				if err == nil || len(got) > 0 {
					if same := sinkSameSnapshots([]core.Snapshot{s}, got); same != nil {
						return fmt.Errorf("cut off at object %d, WriteSnapshot returned %v, and then: %w", cut, err, same)
					}
				}
				if err := k.write(s); err != nil {
					return fmt.Errorf("written again: %w", err)
				}
				want = append(want, s)
			}
			return k.holdsSnapshots(m, want...)
		}),
	sinkWrites("Snapshot/Refuses", "A field value that is no field value, at the top or inside a list or map, is refused with ErrUnsupported, and nothing of that snapshot is stored.",
		func(k *sinkKit) error {
			m := k.match()
			good := sinkSnapshotOf(m, 1, 1, 2)
			if err := k.write(good); err != nil {
				return err
			}
			for i, bad := range sinkForeign() {
				s := sinkSnapshotWith(m, 1, uint64(i+2), []core.ObjectState{
					{ID: 1, Class: "good", Fields: []core.Field{{Name: "hp", Value: int64(1)}}},
					{ID: 2, Class: "bad", Fields: []core.Field{{Name: "ok", Value: true}, {Name: "bad", Value: bad}}}})
				if err := k.write(s); !errors.Is(err, core.ErrUnsupported) {
					return fmt.Errorf("a field of %T: WriteSnapshot returned %v, want an error that wraps ErrUnsupported", bad, err)
				}
			}
			if k.reader == nil {
				return nil
			}
			return k.holdsSnapshots(m, good)
		}),
}

// sinkForeign are values that no sink takes.
func sinkForeign() []any {
	return []any{make(chan int), func() {}, []any{int64(1), make(chan int)}, map[string]any{"a": []any{map[string]any{"f": func() {}}}}}
}

// writeCut writes s with a context that is cancelled as object number cut is
// reached, or behind the last.
func (k *sinkKit) writeCut(s core.Snapshot, cut int) error {
	ctx, cancel := context.WithCancel(k.env)
	defer cancel()
	objects := s.Objects
	s.Objects = func(yield func(core.ObjectState) bool) {
		i := 0
		for o := range objects {
			if i == cut {
				cancel()
			}
			i++
			if !yield(o) {
				return
			}
		}
		cancel()
	}
	return k.returns(ctx, "WriteSnapshot", func(ctx context.Context) error { return k.sink.WriteSnapshot(ctx, s) })
}
