package spool

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// values holds each kind of field value, and its extremes.
func values() []any {
	list := []any{
		nil, true, false, int64(0), int64(-1), int64(math.MinInt64), int64(math.MaxInt64), uint64(0), uint64(math.MaxUint64),
		0.0, math.Copysign(0, -1), -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), math.Inf(-1), math.NaN(),
		"", "text", "bad \xff\xfe UTF-8", "zero\x00", strings.Repeat("long ", 3000), []byte{}, []byte{0, 0xff}, make([]byte, 5000),
		time.Unix(0, 0).UTC(), time.Unix(-1, 999_999_999).UTC(), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(300_000, 1, 1, 0, 0, 0, 1, time.UTC),
		[]any{}, []any{nil, []any{int64(1)}}, map[string]any{}, map[string]any{"": nil, "\xff": []any{map[string]any{"a": uint64(1)}}},
	}
	return append(list, slices.Clone(list), map[string]any{"all": slices.Clone(list)})
}

// same compares values bit by bit.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) || (a == nil) != (b == nil) {
			return false
		}
		for k := range a {
			if x, ok := b[k]; !ok || !same(a[k], x) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// record returns the only record of b.
func record(t testing.TB, b []byte) []byte {
	t.Helper()
	r, rest, err := cutRecord(b)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%d bytes behind the record, %v", len(rest), err)
	}
	return r
}

func TestEventRecord(t *testing.T) {
	for _, data := range []map[string]any{nil, {}, {"v": values()}} {
		want := core.Event{Match: "größe\xff/", Epoch: math.MaxUint64, Seq: 1 << 63, Tick: 1<<53 + 1, Time: time.Unix(1, 2).UTC(), Kind: "odd \x00", Player: math.MaxUint32, Data: data}
		b, err := appendEvent([]byte("before"), &want)
		must(t, err)
		b = record(t, b[len("before"):])
		got, err := decodeEvent(b)
		if err != nil || !same(want.Data, got.Data) {
			t.Errorf("%v came back as %v, %v", want, got, err)
		}
		if want.Data, got.Data = nil, nil; !reflect.DeepEqual(want, got) {
			t.Errorf("%v came back as %v", want, got)
		}
		for n := 0; n < len(b); n += 1 + n/64 {
			if _, err := decodeEvent(b[:n]); err == nil {
				t.Fatalf("%d of %d bytes passed for an event", n, len(b))
			}
		}
		if _, err := decodeSnapshot(b); err == nil {
			t.Error("an event passed for a snapshot")
		}
	}
}

func TestSnapshotRecord(t *testing.T) {
	objects := []core.ObjectState{{}, {ID: math.MaxUint64, Class: "a", Owner: math.MaxUint32, Alive: true}}
	for _, v := range values() {
		objects = append(objects, core.ObjectState{ID: 1, Class: "one", Fields: []core.Field{{Name: "", Value: v}, {Name: "n\xff", Value: int64(1)}, {Name: "", Value: v}}})
	}
	want := core.Snapshot{Match: "m", Epoch: 3, Tick: 1 << 60, Time: time.Unix(5, 6).UTC(), Objects: slices.Values(objects)}
	b, err := appendSnapshot(t.Context(), nil, &want)
	must(t, err)
	b = record(t, b)
	got, err := decodeSnapshot(b)
	must(t, err)
	for range 2 { // may be ranged over again
		i := 0
		for o := range got.Objects {
			w := objects[i]
			if o.ID != w.ID || o.Class != w.Class || o.Owner != w.Owner || o.Alive != w.Alive || len(o.Fields) != len(w.Fields) {
				t.Fatalf("object %d: %v came back as %v", i, w, o)
			}
			for j, f := range o.Fields {
				if f.Name != w.Fields[j].Name || !same(w.Fields[j].Value, f.Value) {
					t.Errorf("object %d: %v came back as %v", i, w.Fields[j], f)
				}
			}
			i++
		}
		if i != len(objects) {
			t.Errorf("%d of %d objects came back", i, len(objects))
		}
	}
	for range got.Objects {
		break // and left early
	}
	want.Objects, got.Objects = nil, nil
	if !reflect.DeepEqual(want, got) {
		t.Errorf("%v came back as %v", want, got)
	}
	if _, err := decodeEvent(b); err == nil {
		t.Error("a snapshot passed for an event")
	}
	// One without objects.
	b, err = appendSnapshot(t.Context(), nil, &want)
	must(t, err)
	got, err = decodeSnapshot(record(t, b))
	must(t, err)
	for o := range got.Objects {
		t.Errorf("an object from nowhere: %v", o)
	}
}

// TestForeignValues holds that what cannot be kept is refused, and leaves nothing.
func TestForeignValues(t *testing.T) {
	self := []any{nil}
	self[0] = self
	loop := map[string]any{}
	loop["me"] = []any{loop}
	for _, v := range []any{int(1), float32(1), struct{}{}, []string{"a"}, &loop, self, loop, make(chan int), []any{[]any{uint8(1)}}} {
		e := core.Event{Match: "m", Data: map[string]any{"v": v}}
		if b, err := appendEvent([]byte("before"), &e); !errors.Is(err, core.ErrUnsupported) || string(b) != "before" {
			t.Errorf("%T: %d bytes, %v", v, len(b), err)
		}
		x := core.Snapshot{Objects: slices.Values([]core.ObjectState{{ID: 1}, {ID: 7, Fields: []core.Field{{Name: "f", Value: v}}}})}
		if b, err := appendSnapshot(t.Context(), []byte("before"), &x); !errors.Is(err, core.ErrUnsupported) || string(b) != "before" || !strings.Contains(err.Error(), `object 7: field "f"`) {
			t.Errorf("%T: %d bytes, %v", v, len(b), err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	x := snapshot("m", 1, 3)
	if b, err := appendSnapshot(ended, []byte("before"), &x); !errors.Is(err, context.Canceled) || string(b) != "before" {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// FuzzRecord decodes anything. What passes for a record means the same when it is
// written again.
func FuzzRecord(f *testing.F) {
	for _, v := range values() {
		e := core.Event{Match: "m", Seq: 1, Data: map[string]any{"v": v}}
		b, _ := appendEvent(nil, &e)
		f.Add(b[recordHead:])
	}
	x := snapshot("m", 1, 3)
	b, _ := appendSnapshot(context.Background(), nil, &x)
	f.Add(b[recordHead:])
	deep := append([]byte(nil), b[recordHead:recordHead+8]...)
	for range 200 {
		deep = append(deep, tagList, 1)
	}
	f.Add(deep)
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := decodeEvent(b); err == nil {
			again, err := appendEvent(nil, &e)
			must(t, err)
			if twin, err := decodeEvent(record(t, again)); err != nil || !same(e.Data, twin.Data) || twin.Seq != e.Seq || !twin.Time.Equal(e.Time) {
				t.Errorf("%v came back as %v, %v", e, twin, err)
			}
		}
		if x, err := decodeSnapshot(b); err == nil {
			again, err := appendSnapshot(context.Background(), nil, &x)
			must(t, err)
			twin, err := decodeSnapshot(record(t, again))
			must(t, err)
			var a, b []core.Field
			for o := range x.Objects {
				a = append(a, o.Fields...)
			}
			for o := range twin.Objects {
				b = append(b, o.Fields...)
			}
			if !slices.EqualFunc(a, b, func(a, b core.Field) bool { return a.Name == b.Name && same(a.Value, b.Value) }) {
				t.Errorf("%v came back as %v", a, b)
			}
		}
	})
}
