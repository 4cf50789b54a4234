package conformance

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// Sink says how TestSink and BenchSink come by the adapter under test. All fields
// but New are optional.
type Sink struct {
	// New opens the store under test and returns a sink on it. Within one subtest each
	// call must open the same store, so that a law can close a sink and look at what
	// the next one finds; the store may be the same for all subtests, as every law
	// uses names of its own. A law has one sink open at a time, and closes it.
	New func(testing.TB) core.SnapshotSink

	// Stop stops the store, as a database that goes down, and Start starts it again
	// with what it held. A sink on it stays open meanwhile. Both are needed for the
	// laws of outages; nil means that those are skipped.
	Stop, Start func(testing.TB)

	// Timeout is how long the adapter may take for one operation, and for getting to
	// work again after Start. Zero means 10 s.
	Timeout time.Duration

	// Except names the laws that the adapter cannot keep, each with the reason.
	Except map[string]string

	// Seed decides all that is left to chance. Zero means a new one for each run.
	Seed uint64
}

// TestSink runs every law of core.SnapshotSink as a subtest. A sink that is a
// core.SnapshotReader also is held to the laws of reading as well; without that
// ability those are skipped, which is printed. The subtests do not run in parallel.
func TestSink(t *testing.T, h Sink) {
	t.Helper()
	if h.New == nil {
		t.Fatal("conformance: Sink.New is not set")
	}
	h, o := h.options()
	runLaws(t, sinkLaws(), h, o)
}

// options fills in the defaults.
func (h Sink) options() (Sink, options) {
	h.Timeout = cmp.Or(max(h.Timeout, 0), 10*time.Second)
	if h.Seed == 0 {
		h.Seed = uint64(time.Now().UnixNano())
	}
	return h, options{except: h.Except, limit: 60*time.Second + 3*h.Timeout, wait: h.Timeout, seed: h.Seed}
}

// sinkLaws returns the laws of a sink in the order in which they run.
func sinkLaws() []law[Sink] {
	return slices.Concat(sinkSnapshotLaws, sinkObjectLaws, sinkEventLaws, sinkBatchLaws, sinkKeyLaws, sinkReadLaws,
		sinkEndLaws, sinkOutageLaws)
}
