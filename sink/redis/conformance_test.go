package redis_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// on returns the suite's way to open sinks on a URL.
func on(url string) func(testing.TB) core.SnapshotSink {
	return func(tb testing.TB) core.SnapshotSink {
		s, err := redis.New(redis.Config{URL: url})
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
}

func TestConformance(t *testing.T) {
	m := miniredis.RunT(t)
	conformance.TestSink(t, conformance.Sink{
		New:  on("redis://" + m.Addr()),
		Stop: func(testing.TB) { m.Close() },
		Start: func(tb testing.TB) {
			if err := m.Restart(); err != nil {
				tb.Fatal(err)
			}
		},
	})
}

// TestConformanceServer goes over a real Redis, which is killed where the laws stop it.
func TestConformanceServer(t *testing.T) {
	if url := given(); url != "" {
		conformance.TestSink(t, conformance.Sink{New: on(url)})
		return
	}
	s := serve(t, durable...)
	conformance.TestSink(t, conformance.Sink{
		New:   on(s.url()),
		Stop:  func(tb testing.TB) { s.kill(tb) },
		Start: func(tb testing.TB) { s.restart(tb) },
	})
}

func BenchmarkSink(b *testing.B) {
	url := given()
	if url == "" {
		url = serve(b).url()
	}
	conformance.BenchSink(b, conformance.Sink{New: on(url)})
}

// BenchmarkNew writes what was not there before. The suite's benchmark writes most of it
// again and again.
func BenchmarkNew(b *testing.B) {
	s := open(b, redis.Config{URL: serve(b).url(), KeepSnapshots: 10, KeepEvents: 10_000})
	per := func(b *testing.B, n int, what string) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/"+what)
	}
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("WriteEvents/", n), func(b *testing.B) {
			b.ReportAllocs()
			match := fmt.Sprint(b.Name(), b.N)
			list := events(match, 1, 1, uint64(n))
			for b.Loop() {
				put(b, s, list...)
				for i := range list {
					list[i].Seq += uint64(n)
				}
			}
			per(b, n, "event")
		})
	}
	for _, n := range []int{64, 1000, 10_000} {
		b.Run(fmt.Sprint("WriteSnapshot/", n), func(b *testing.B) {
			b.ReportAllocs()
			x := snapshot(fmt.Sprint(b.Name(), b.N), 1, 0)
			var objects []core.ObjectState
			for i := range n {
				objects = append(objects, core.ObjectState{ID: uint64(i), Class: "Knight", Owner: 3, Alive: true,
					Fields: []core.Field{{Name: "X", Value: 1.5}, {Name: "HP", Value: int64(80)}, {Name: "Name", Value: "Bob"}}})
			}
			x.Objects = slices.Values(objects)
			for b.Loop() {
				x.Tick++
				write(b, s, x)
			}
			per(b, n, "object")
		})
	}
}
