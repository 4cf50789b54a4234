package mongo_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

// on returns the suite's way to open sinks.
func on(c mongo.Config) func(testing.TB) core.SnapshotSink {
	return func(tb testing.TB) core.SnapshotSink {
		s, err := mongo.New(c)
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
}

func TestConformance(t *testing.T) {
	p := newPeer(t)
	conformance.TestSink(t, conformance.Sink{
		New:  on(mongo.Config{URL: p.url()}),
		Stop: func(testing.TB) { p.stop() },
		Start: func(tb testing.TB) {
			if err := p.start(); err != nil {
				tb.Fatal(err)
			}
		},
	})
}
