package conformance

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// sinkMutant is a broken sink, the law that catches it, and how it is broken.
type sinkMutant struct {
	law, says string
	spoil     func(d *sinkDouble, store *mem.Store)
	quick     bool // it hangs, so the laws should not wait long
}

// sinkMutants returns the broken sinks, at least one for each law.
func sinkMutants() []sinkMutant {
	return slices.Concat(sinkSnapshotMutants, sinkEventMutants, sinkKeyMutants, sinkReadMutants, sinkEndMutants)
}

// harness opens the mutant on a store of its own.
func (m sinkMutant) harness() Sink {
	store := new(mem.Store)
	h := Sink{
		New: func(testing.TB) core.SnapshotSink {
			d := newSinkDouble(store.Open())
			m.spoil(d, store)
			return d
		},
		Stop:  func(testing.TB) { store.Stop() },
		Start: func(testing.TB) { store.Start() },
		Seed:  1,
	}
	if m.quick {
		h.Timeout = 300 * time.Millisecond
	}
	return h
}

// TestSinkMutants holds that each law catches what it is there for.
func TestSinkMutants(t *testing.T) {
	caught := make(map[string]bool)
	for _, m := range sinkMutants() {
		i := slices.IndexFunc(sinkLaws(), func(l law[Sink]) bool { return l.name == m.law })
		if i < 0 {
			t.Errorf("mutant %q is for law %q, which does not exist", m.says, m.law)
			continue
		}
		caught[m.law] = true
		t.Run(m.law, func(t *testing.T) {
			h, o := m.harness().options()
			err, _ := checkLaw(t, sinkLaws()[i], h, o)
			var skipped *skipError
			switch {
			case err == nil:
				t.Errorf("passes: a sink that %s", m.says)
			case errors.As(err, &skipped):
				t.Errorf("skipped: %s", skipped.why)
			default:
				t.Logf("%s: %v", m.says, err)
			}
		})
	}
	for _, l := range sinkLaws() {
		if !caught[l.name] {
			t.Errorf("no mutant shows that law %s can fail", l.name)
		}
	}
}

// TestSinkWithoutReader holds that the laws of writing alone run on a sink that
// cannot read, and that the others are skipped and not passed.
func TestSinkWithoutReader(t *testing.T) {
	h, o := Sink{New: func(testing.TB) core.SnapshotSink {
		return struct{ core.SnapshotSink }{new(mem.Store).Open()}
	}}.options()
	skips := 0
	for _, l := range sinkLaws() {
		err, _ := checkLaw(t, l, h, o)
		if skipped := (*skipError)(nil); errors.As(err, &skipped) {
			skips++
		} else if err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
	}
	if n := len(sinkLaws()); skips == 0 || skips > n-8 {
		t.Errorf("%d of %d laws were skipped", skips, n)
	}
}

// TestSinkNasty runs all laws on a sink that does whatever the contract allows.
func TestSinkNasty(t *testing.T) {
	store := new(mem.Store)
	TestSink(t, Sink{
		New:   func(testing.TB) core.SnapshotSink { return newNastySink(store.Open()) },
		Stop:  func(testing.TB) { store.Stop() },
		Start: func(testing.TB) { store.Start() },
	})
}

// stale returns a context that has not ended, whatever ctx has.
func stale(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }
