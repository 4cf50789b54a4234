package conformance

import (
	"context"
	"iter"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// sinkDouble is sink/mem with some of its methods replaced.
type sinkDouble struct {
	*mem.Sink
	snapshot  func(ctx context.Context, s core.Snapshot) error
	put       func(ctx context.Context, events []core.Event) (int, error)
	close     func(ctx context.Context) error
	matches   func(ctx context.Context) ([]string, error)
	latest    func(ctx context.Context, match string) (core.Snapshot, error)
	snapshots func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error]
	events    func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error]
}

func newSinkDouble(sink *mem.Sink) *sinkDouble {
	return &sinkDouble{sink, sink.WriteSnapshot, sink.WriteEvents, sink.Close, sink.Matches, sink.Latest, sink.Snapshots, sink.Events}
}

func (d *sinkDouble) WriteSnapshot(ctx context.Context, s core.Snapshot) error {
	return d.snapshot(ctx, s)
}
func (d *sinkDouble) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	return d.put(ctx, events)
}
func (d *sinkDouble) Close(ctx context.Context) error               { return d.close(ctx) }
func (d *sinkDouble) Matches(ctx context.Context) ([]string, error) { return d.matches(ctx) }
func (d *sinkDouble) Latest(ctx context.Context, match string) (core.Snapshot, error) {
	return d.latest(ctx, match)
}
func (d *sinkDouble) Snapshots(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
	return d.snapshots(ctx, match, from, to)
}
func (d *sinkDouble) Events(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
	return d.events(ctx, match, from, to)
}

// eachObject changes what is written of every object, and mayDrop it.
func (d *sinkDouble) eachObject(change func(o *core.ObjectState) (keep bool)) {
	next := d.snapshot
	d.snapshot = func(ctx context.Context, s core.Snapshot) error {
		objects := s.Objects
		s.Objects = func(yield func(core.ObjectState) bool) {
			for o := range objects {
				if change(&o) && !yield(o) {
					return
				}
			}
		}
		return next(ctx, s)
	}
}

// eachField changes what is written of every field value.
func (d *sinkDouble) eachField(change func(v any) any) {
	d.eachObject(func(o *core.ObjectState) bool {
		own := make([]core.Field, len(o.Fields))
		for i, f := range o.Fields {
			own[i] = core.Field{Name: f.Name, Value: change(f.Value)}
		}
		o.Fields = own
		return true
	})
}

// eachKey changes what is written of every snapshot beside its objects.
func (d *sinkDouble) eachKey(change func(s *core.Snapshot)) {
	next := d.snapshot
	d.snapshot = func(ctx context.Context, s core.Snapshot) error {
		change(&s)
		return next(ctx, s)
	}
}

// eachEvent changes a copy of every event on its way in.
func (d *sinkDouble) eachEvent(change func(e *core.Event)) {
	next := d.put
	d.put = func(ctx context.Context, events []core.Event) (int, error) {
		own := append([]core.Event(nil), events...)
		for i := range own {
			change(&own[i])
		}
		return next(ctx, own)
	}
}

// readSnapshots changes the list that Snapshots reads.
func (d *sinkDouble) readSnapshots(change func(list []core.Snapshot) []core.Snapshot) {
	next := d.snapshots
	d.snapshots = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
		return sinkReread(next(ctx, match, from, to), change)
	}
}

// readEvents changes the list that Events reads.
func (d *sinkDouble) readEvents(change func(list []core.Event) []core.Event) {
	next := d.events
	d.events = func(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
		return sinkReread(next(ctx, match, from, to), change)
	}
}

func sinkReread[T any](seq iter.Seq2[T, error], change func(list []T) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var list []T
		for x, err := range seq {
			if err != nil {
				yield(x, err)
				return
			}
			list = append(list, x)
		}
		for _, x := range change(list) {
			if !yield(x, nil) {
				return
			}
		}
	}
}
