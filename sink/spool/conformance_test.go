package spool_test

import (
	"testing"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/file"
	"github.com/parley-net/parley/sink/mem"
	"github.com/parley-net/parley/sink/spool"
)

// over opens a spool in a folder over a sink.
func over(tb testing.TB, dir string, sink core.SnapshotSink) core.SnapshotSink {
	s, err := spool.New(spool.Config{Dir: dir, Sink: sink})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	store, dir := new(mem.Store), t.TempDir()
	conformance.TestSink(t, conformance.Sink{
		New:   func(tb testing.TB) core.SnapshotSink { return over(tb, dir, store.Open()) },
		Stop:  func(testing.TB) { store.Stop() },
		Start: func(testing.TB) { store.Start() },
	})
}

// TestConformanceFile holds the laws over a store that takes its time, and that
// nobody else may have open.
func TestConformanceFile(t *testing.T) {
	dir, matches := t.TempDir(), t.TempDir()
	conformance.TestSink(t, conformance.Sink{
		New: func(tb testing.TB) core.SnapshotSink {
			store, err := file.Open(file.Config{Dir: matches})
			if err != nil {
				tb.Fatal(err)
			}
			return over(tb, dir, store)
		},
	})
}
