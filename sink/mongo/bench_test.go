package mongo_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

// BenchmarkSink runs over the server that the environment names,
// else over the peer, which shows what the client costs.
func BenchmarkSink(b *testing.B) {
	url := given(b)
	if url == "" {
		url = newPeer(b).url()
	}
	conformance.BenchSink(b, conformance.Sink{New: on(mongo.Config{URL: url})})
}

// BenchmarkAppendObject is what an object of a snapshot costs before it is sent.
func BenchmarkAppendObject(b *testing.B) {
	o := core.ObjectState{ID: 7, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{
		{Name: "HP", Value: int64(80)}, {Name: "Name", Value: "Lancelot"}, {Name: "Position.X", Value: 1.5}, {Name: "Target", Value: uint64(12)}}}
	buf, err := mongo.AppendObject(nil, o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if buf, err = mongo.AppendObject(buf[:0], o); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations holds that an object, and an event without odd names, cost no memory.
func TestAllocations(t *testing.T) {
	o := core.ObjectState{ID: 7, Class: "Knight", Fields: []core.Field{{Name: "HP", Value: int64(80)}, {Name: "Name", Value: "Lancelot"}, {Name: "at", Value: []any{1.5, uint64(2)}}, {Name: "bag", Value: map[string]any{"gold": int64(1), "iron": nil}}}}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { _, _ = mongo.AppendObject(buf, o) }); n != 0 {
		t.Errorf("an object costs %v allocations", n)
	}
	e := event(match, 1, 2)
	if n := testing.AllocsPerRun(100, func() { _, _ = mongo.AppendEvent(buf, "id", e) }); n != 0 {
		t.Errorf("an event costs %v allocations", n)
	}
}
