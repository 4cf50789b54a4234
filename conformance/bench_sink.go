package conformance

import (
	"context"
	"fmt"
	"testing"

	"github.com/parley-net/parley/core"
)

// BenchSink measures a sink with the same workloads for every adapter, so that
// benchstat can compare them: snapshots of 64 and 1,000 objects, events one by one and
// by the hundred, and, if the sink can read, the latest snapshot and a range of
// events. Each operation is one that was acknowledged. Of h, New is used and called
// once for each workload.
func BenchSink(b *testing.B, h Sink) {
	if h.New == nil {
		b.Fatal("conformance: Sink.New is not set")
	}
	h, o := h.options()
	run := func(name string, f func(b *testing.B, s core.SnapshotSink, match string)) {
		b.Run(name, func(b *testing.B) {
			s := h.New(b)
			defer func() {
				if err := s.Close(context.Background()); err != nil {
					b.Error(err)
				}
			}()
			b.ReportAllocs()
			f(b, s, fmt.Sprintf("bench %x-%d", o.seed, sinkNames.Add(1)))
		})
	}
	ctx := context.Background()
	for _, n := range []int{64, 1000} {
		run(fmt.Sprint("WriteSnapshot/", n), func(b *testing.B, s core.SnapshotSink, match string) {
			x := sinkSnapshotOf(match, 1, 0, n)
			for b.Loop() {
				x.Tick = (x.Tick + 1) % 256 // a store must not grow without end here
				if err := s.WriteSnapshot(ctx, x); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/object")
		})
	}
	for _, n := range []int{1, 100} {
		run(fmt.Sprint("WriteEvents/", n), func(b *testing.B, s core.SnapshotSink, match string) {
			events := sinkEventsOf(match, 1, 1, n)
			for b.Loop() {
				for i := range events {
					events[i].Seq = (events[i].Seq+uint64(n)-1)%1000 + 1
				}
				if _, err := s.WriteEvents(ctx, events); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
		})
	}
	run("Latest/64", func(b *testing.B, s core.SnapshotSink, match string) {
		r := benchReader(b, s)
		for tick := range uint64(16) {
			if err := s.WriteSnapshot(ctx, sinkSnapshotOf(match, 1, tick, 64)); err != nil {
				b.Fatal(err)
			}
		}
		for b.Loop() {
			x, err := r.Latest(ctx, match)
			if err != nil {
				b.Fatal(err)
			}
			for range x.Objects {
			}
		}
	})
	run("Events/100", func(b *testing.B, s core.SnapshotSink, match string) {
		r := benchReader(b, s)
		if _, err := s.WriteEvents(ctx, sinkEventsOf(match, 1, 1, 1000)); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			n := 0
			for _, err := range r.Events(ctx, match, 100, 149) {
				if n++; err != nil {
					b.Fatal(err)
				}
			}
			if n != 100 {
				b.Fatalf("%d events read, want 100", n)
			}
		}
	})
}

func benchReader(b *testing.B, s core.SnapshotSink) core.SnapshotReader {
	b.Helper()
	r, ok := s.(core.SnapshotReader)
	if !ok {
		b.Skip("the sink is no core.SnapshotReader")
	}
	return r
}
