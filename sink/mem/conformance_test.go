package mem_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

func TestConformance(t *testing.T) {
	store := new(mem.Store)
	conformance.TestSink(t, conformance.Sink{
		New:   func(testing.TB) core.SnapshotSink { return store.Open() },
		Stop:  func(testing.TB) { store.Stop() },
		Start: func(testing.TB) { store.Start() },
	})
}
