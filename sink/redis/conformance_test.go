package redis_test

import (
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
