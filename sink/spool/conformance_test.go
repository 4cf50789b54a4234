package spool_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
	"github.com/parley-net/parley/sink/spool"
)

func TestConformance(t *testing.T) {
	store, dir := new(mem.Store), t.TempDir()
	conformance.TestSink(t, conformance.Sink{
		New: func(tb testing.TB) core.SnapshotSink {
			s, err := spool.New(spool.Config{Dir: dir, Sink: store.Open()})
			if err != nil {
				tb.Fatal(err)
			}
			return s
		},
		Stop:  func(testing.TB) { store.Stop() },
		Start: func(testing.TB) { store.Start() },
	})
}
