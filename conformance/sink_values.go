package conformance

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
)

// sinkPrecision is what times may lose on their way: stores count milliseconds.
const sinkPrecision = time.Millisecond

// sinkTime is the wall clock of all that the laws write.
var sinkTime = time.Date(2024, 2, 29, 23, 59, 59, 123e6, time.UTC)

// sinkValueList holds each kind of value that a Field may have, and its extremes.
func sinkValueList() []any {
	values := []any{
		nil, true, false,
		int64(0), int64(-1), int64(127), int64(math.MinInt64), int64(math.MaxInt64), int64(1<<53 + 1),
		uint64(0), uint64(7), uint64(1<<53 + 1), uint64(1 << 63), uint64(math.MaxUint64),
		0.0, 1.0, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(), float64(1 << 60), 0.1,
		"", "x", "null", "true", "42", "héllo, 世界 🎲", "two\nlines\t\"quoted\" 'and' \\", "$where", strings.Repeat("long ", 3000),
		[]byte{}, []byte{0}, []byte{0xff, 0x00, 0x0a}, bytes.Repeat([]byte{0xee, 0}, 5000),
		time.Unix(0, 0), time.Unix(-1, 999e6), sinkTime, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		sinkTime.In(time.FixedZone("far", 14*3600)),
		[]any{}, []any{nil}, []any{[]any{}, []any{[]any{int64(1)}}}, map[string]any{}, map[string]any{"": nil},
		map[string]any{"a": map[string]any{"b": []any{map[string]any{"c": uint64(math.MaxUint64)}}}},
		map[string]any{"with space": true, "dot.ted": 1.5, "$dollar": "x", "_id": int64(1), "ключ": []byte("v"), "a/b\\c": sinkTime},
	}
	return append(values, slices.Clone(values), map[string]any{"all": slices.Clone(values)})
}

// sinkSnapshotOf makes a snapshot of n objects, of which the contents follow from
// the key.
func sinkSnapshotOf(match string, epoch, tick uint64, n int) core.Snapshot {
	objects := make([]core.ObjectState, n)
	for i := range objects {
		objects[i] = core.ObjectState{
			ID: uint64(i*3 + 1), Class: []string{"knight", "arrow"}[i%2], Owner: uint32(i % 5), Alive: i%7 != 0,
			Fields: []core.Field{
				{Name: "hp", Value: int64(i) - 50}, {Name: "at", Value: []any{float64(i) / 2, float64(tick)}},
				{Name: "name", Value: fmt.Sprintf("%s/%d/%d/%d", match, epoch, tick, i)}, {Name: "age", Value: tick},
			},
		}
	}
	return sinkSnapshotWith(match, epoch, tick, objects)
}

func sinkSnapshotWith(match string, epoch, tick uint64, objects []core.ObjectState) core.Snapshot {
	return core.Snapshot{Match: match, Epoch: epoch, Tick: tick, Time: sinkTime.Add(time.Duration(tick%1e6) * 50 * time.Millisecond),
		Objects: slices.Values(objects)}
}

// sinkEventsOf makes the events from seq on, n of them, two at each tick from tick 10.
func sinkEventsOf(match string, epoch, seq uint64, n int) []core.Event {
	events := make([]core.Event, n)
	for i := range events {
		at := seq + uint64(i)
		events[i] = core.Event{Match: match, Epoch: epoch, Seq: at, Tick: 10 + (at-1)/2, Time: sinkTime.Add(time.Duration(at%1e6) * time.Second),
			Kind: []string{"joined", "scored", "left"}[at%3], Player: uint32(at % 4)}
		if at%5 != 0 {
			events[i].Data = map[string]any{"seq": at, "epoch": epoch, "note": fmt.Sprint("event ", at, " of ", match), "path": []any{int64(at), nil}}
		}
	}
	return events
}

// sinkSame tells where a value that came back differs from the one that was
// written: its kind and value must be the same, but a time may lose its zone and less
// than a millisecond, and -0 may be 0.
func sinkSame(want, got any) error {
	differs := func() error { return fmt.Errorf("%s came back as %s", sinkText(want), sinkText(got)) }
	switch want := want.(type) {
	case float64:
		if got, ok := got.(float64); ok && (want == got || want != want && got != got) {
			return nil
		}
	case []byte:
		if got, ok := got.([]byte); ok && bytes.Equal(want, got) {
			return nil
		}
	case time.Time:
		if got, ok := got.(time.Time); ok && sinkSameTime(want, got) {
			return nil
		}
	case []any:
		got, ok := got.([]any)
		if !ok || len(want) != len(got) {
			return differs()
		}
		for i := range want {
			if err := sinkSame(want[i], got[i]); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(want) != len(got) {
			return differs()
		}
		for key := range want {
			x, ok := got[key]
			if !ok {
				return fmt.Errorf("[%q] is missing", key)
			}
			if err := sinkSame(want[key], x); err != nil {
				return fmt.Errorf("[%q]: %w", key, err)
			}
		}
		return nil
	default: // nil, bool, int64, uint64, string: comparable
		switch got.(type) {
		case []byte, []any, map[string]any:
			return differs()
		}
		if want == got {
			return nil
		}
	}
	return differs()
}

func sinkSameTime(a, b time.Time) bool { return a.Sub(b).Abs() < sinkPrecision }

// sinkText describes a value in a few words.
func sinkText(v any) string {
	size := 0
	switch x := v.(type) {
	case []byte:
		size = len(x)
		v = x[:min(size, 32)]
	case string:
		size = len(x)
		v = x[:min(size, 90)]
	}
	s := fmt.Sprintf("%T %v", v, v)
	if len(s) > 100 || size > 90 {
		s = fmt.Sprintf("%.90s… (%d bytes)", s, max(size, len(s)))
	}
	return s
}
