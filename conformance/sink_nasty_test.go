package conformance

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// newNastySink returns a sink that does what callers do not expect and the contract
// allows: it ranges over the objects twice and on another goroutine, does not look
// at its context, takes its time, loses the zone and the microseconds of times,
// says -0 as 0 and nil as empty, refuses odd text, counts too few of the events that it
// stored of a bad batch, hands its readers memory that it uses again, says that Close
// was cut short, and that unknown matches are not found.
func newNastySink(sink *mem.Sink) *sinkDouble {
	d := newSinkDouble(sink)
	d.snapshot = func(ctx context.Context, s core.Snapshot) error {
		done := make(chan error)
		go func() {
			objects := s.Objects
			s.Objects = func(yield func(core.ObjectState) bool) {
				for range objects {
				}
				objects(yield)
			}
			s.Time = nastyTime(s.Time)
			time.Sleep(rand.N(200 * time.Microsecond))
			done <- sink.WriteSnapshot(stale(ctx), s)
		}()
		return <-done
	}
	d.eachField(func(v any) any { v, _ = nastyValue(v); return v })
	d.put = func(ctx context.Context, events []core.Event) (int, error) {
		for i, e := range events {
			data, ok := nastyValue(e.Data)
			if !ok {
				return 0, core.Errorf(core.ErrUnsupported, "no such text")
			}
			e.Data, e.Time = data.(map[string]any), nastyTime(e.Time)
			if n, err := sink.WriteEvents(stale(ctx), []core.Event{e}); err != nil {
				return max(0, i-1) * n, err
			}
		}
		return len(events), nil
	}
	d.close = func(ctx context.Context) error {
		if err := sink.Close(stale(ctx)); err != nil {
			return err
		}
		return ctx.Err()
	}
	d.snapshots = nastyRead(d, sink.Snapshots, nastyObjects)
	d.events = nastyRead(d, sink.Events, func(e core.Event) core.Event { return e })
	return d
}

func nastyRead[T any](d *sinkDouble, next func(context.Context, string, uint64, uint64) iter.Seq2[T, error], change func(T) T) func(context.Context, string, uint64, uint64) iter.Seq2[T, error] {
	return func(ctx context.Context, match string, from, to uint64) iter.Seq2[T, error] {
		return func(yield func(T, error) bool) {
			names, err := d.Sink.Matches(ctx)
			var none T
			if err == nil && !slices.Contains(names, match) {
				err = core.Errorf(core.ErrNotFound, "no match %q", match)
			}
			if err != nil {
				yield(none, err)
				return
			}
			for x, err := range next(ctx, match, from, to) {
				if !yield(change(x), err) {
					return
				}
			}
		}
	}
}

// nastyObjects yields all objects of a snapshot in the same memory.
func nastyObjects(s core.Snapshot) core.Snapshot {
	objects := s.Objects
	s.Objects = func(yield func(core.ObjectState) bool) {
		var fields []core.Field
		for o := range objects {
			fields = append(fields[:0], o.Fields...)
			o.Fields = fields
			if !yield(o) {
				return
			}
			clear(fields)
		}
	}
	return s
}

func nastyTime(t time.Time) time.Time {
	return time.UnixMilli(t.UnixMilli()).In(time.FixedZone("nasty", -3600))
}

// nastyValue changes a value as far as the contract allows; ok is false for text
// that it refuses.
func nastyValue(v any) (_ any, ok bool) {
	ok = true
	text := func(s string) { ok = ok && utf8.ValidString(s) && !strings.Contains(s, "\x00") }
	switch x := v.(type) {
	case string:
		text(x)
	case float64:
		if x == 0 {
			return 0.0, true
		}
	case time.Time:
		return nastyTime(x), true
	case []byte:
		return append(make([]byte, 0, len(x)+5), bytes.Clone(x)...), true
	case []any:
		own := make([]any, len(x))
		for i := range x {
			var fine bool
			own[i], fine = nastyValue(x[i])
			ok = ok && fine
		}
		return own, ok
	case map[string]any:
		own := map[string]any{}
		for k := range x {
			var fine bool
			text(k)
			own[k], fine = nastyValue(x[k])
			ok = ok && fine
		}
		return own, ok
	case fmt.Stringer:
		ok = false
	}
	return v, ok
}
