package mongo_test

import (
	"bytes"
	"context"
	"fmt"
	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

// open returns a sink that is closed at the end of the test.
func open(tb testing.TB, c mongo.Config) *mongo.Sink {
	tb.Helper()
	s, err := mongo.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return s
}

var began = time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)

// match is one as the engine names it.
const match = "arena-20240229T235959.123456789Z"

func snapshot(match string, epoch, tick uint64) core.Snapshot {
	return core.Snapshot{Match: match, Epoch: epoch, Tick: tick, Time: began.Add(time.Duration(tick) * time.Second),
		Objects: slices.Values([]core.ObjectState{{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}}}})}
}

// large returns a snapshot of n objects with a text of size bytes each.
func large(match string, tick uint64, n, size int) core.Snapshot {
	x := snapshot(match, 1, tick)
	text := string(slices.Repeat([]byte{'x'}, size))
	x.Objects = func(yield func(core.ObjectState) bool) {
		for i := range n {
			if !yield(core.ObjectState{ID: uint64(i + 1), Class: "c", Fields: []core.Field{{Name: "text", Value: text}}}) {
				return
			}
		}
	}
	return x
}

func event(match string, epoch, seq uint64) core.Event {
	return core.Event{Match: match, Epoch: epoch, Seq: seq, Tick: seq * 2, Time: began.Add(time.Duration(seq) * time.Second), Kind: "scored", Player: 3,
		Data: map[string]any{"points": int64(seq)}}
}

func events(match string, epoch, from, to uint64) (list []core.Event) {
	for seq := from; seq <= to; seq++ {
		list = append(list, event(match, epoch, seq))
	}
	return list
}

// put writes events and wants them stored.
func put(tb testing.TB, s core.SnapshotSink, list ...core.Event) {
	tb.Helper()
	if n, err := s.WriteEvents(tb.Context(), list); n != len(list) || err != nil {
		tb.Fatal(n, err)
	}
}

// seqs returns the numbers of the events of a match, from one tick to another.
func seqs(tb testing.TB, s core.SnapshotReader, match string, from, to uint64) (list []uint64) {
	tb.Helper()
	for e, err := range s.Events(tb.Context(), match, from, to) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, e.Seq)
	}
	return list
}

const last = ^uint64(0) // tick

// client returns a client of the test's own.
func client(tb testing.TB, url string) *mongodrv.Client {
	tb.Helper()
	c, err := mongodrv.Connect(options.Client().ApplyURI(url))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Disconnect(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// values are of every kind, and at the border of what BSON holds.
func values() []any {
	nano := time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)
	list := []any{
		nil, true, false, int64(0), int64(-1), int64(math.MinInt64), int64(math.MaxInt64),
		uint64(0), uint64(80), uint64(math.MaxInt32), uint64(math.MaxInt32 + 1), uint64(math.MaxInt64), uint64(math.MaxInt64 + 1), uint64(math.MaxUint64),
		0.0, 1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
		"", "text", "zero\x00byte", "bad \xff\xfe", "\xc3", "世界", "%uint", []byte{}, []byte{0, 0xff},
		nano, nano.Truncate(time.Millisecond), nano.Add(-1), time.Unix(0, 1).UTC(), time.Unix(-1, 999_999_999).UTC(), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(200_000, 1, 1, 0, 0, 0, 0, time.UTC),
		[]any{}, []any{nil, int64(1), "x"}, map[string]any{}, map[string]any{"": int64(1), "%": int64(2), "%%": int64(3), "%25": int64(4)},
		map[string]any{"%uint": int64(1)}, map[string]any{"%text": []byte("x")}, map[string]any{"%time": nano}, map[string]any{"%ns": int64(4)},
		map[string]any{"$set": int64(1), "a.b": int64(2), ".": int64(3), "a$b": int64(4), "_id": int64(5), "zero\x00": int64(6), "bad\xff": int64(7), "\xe4\xb8": true},
		map[string]any{"a": map[string]any{"b": map[string]any{"c": uint64(math.MaxUint64)}}},
	}
	nested := map[string]any{}
	for i, v := range list {
		nested[fmt.Sprint(i)] = []any{v}
	}
	return append(list, slices.Clone(list), nested)
}

// plain tells whether FerretDB 1 can hold a value.
func plain(v any) bool {
	switch v := v.(type) {
	case float64:
		return v-v == 0 // no infinity; NaN ends the connection
	case []any:
		for _, x := range v {
			if _, list := x.([]any); list || !plain(x) {
				return false
			}
		}
	case map[string]any:
		for _, x := range v {
			if !plain(x) {
				return false
			}
		}
	}
	return true
}

// same compares values of fields to the last bit.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	}
	switch b.(type) {
	case []byte, []any, map[string]any:
		return false
	}
	return a == b
}
