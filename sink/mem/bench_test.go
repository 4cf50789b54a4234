package mem_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

func BenchmarkSink(b *testing.B) {
	store := new(mem.Store)
	conformance.BenchSink(b, conformance.Sink{New: func(testing.TB) core.SnapshotSink { return store.Open() }})
}
