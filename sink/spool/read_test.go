package spool

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

// stuckSink can be read, and takes nothing.
type stuckSink struct{ *mem.Sink }

func (stuckSink) WriteEvents(context.Context, []core.Event) (int, error) { return 0, errDown }
func (stuckSink) WriteSnapshot(context.Context, core.Snapshot) error     { return errDown }

// leaver is a spool that is closed at once, and does not complain about what is left.
type leaver struct{ *Sink }

func (l leaver) Close(context.Context) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Sink.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// TestConformanceWaiting holds the laws where nothing ever leaves the spool, so that
// all that is read comes from there.
func TestConformanceWaiting(t *testing.T) {
	dir := t.TempDir()
	conformance.TestSink(t, conformance.Sink{
		New: func(tb testing.TB) core.SnapshotSink {
			s, err := New(Config{Dir: dir, Sink: stuckSink{new(mem.Store).Open()}})
			must(tb, err)
			return leaver{s}
		},
	})
}

// TestMerge reads what is partly in the store and partly in the spool.
func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShop()
		there := store.store.Open()
		for seq := uint64(1); seq <= 30; seq++ {
			if seq%3 != 0 { // what another process wrote, say
				_, err := there.WriteEvents(t.Context(), eventsOf("m", seq, seq))
				must(t, err)
				must(t, there.WriteSnapshot(t.Context(), snapshot("m", seq, 1)))
			}
		}
		must(t, there.WriteSnapshot(t.Context(), snapshot("stored", 3, 1)))
		must(t, there.WriteSnapshot(t.Context(), snapshot("both", 9, 1)))
		store.set(down)
		s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: store.open(), Seed: 1})
		must(t, err)
		for seq := uint64(33); seq >= 3; seq -= 3 {
			put(t, s, event("m", seq))
			snap(t, s, snapshot("m", seq, 1))
		}
		changed := event("m", 10)
		changed.Kind = "older"
		put(t, s, changed)
		changed.Kind = "newest" // in the store as it was, and here twice
		put(t, s, changed)
		snap(t, s, snapshot("spooled", 4, 1))
		snap(t, s, snapshot("both", 8, 1))

		var seqs, ticks []uint64
		for e, err := range s.Events(t.Context(), "m", 0, ^uint64(0)) {
			must(t, err)
			if (e.Kind == "newest") != (e.Seq == 10) {
				t.Errorf("event %d is %q", e.Seq, e.Kind)
			}
			seqs = append(seqs, e.Seq)
		}
		for x, err := range s.Snapshots(t.Context(), "m", 5, 32) {
			must(t, err)
			ticks = append(ticks, x.Tick)
		}
		if !slices.Equal(seqs, append(numbers(1, 30), 33)) || !slices.Equal(ticks, numbers(5, 30)) {
			t.Errorf("read %v and %v", seqs, ticks)
		}
		for match, want := range map[string]uint64{"m": 33, "stored": 3, "spooled": 4, "both": 9} {
			if x, err := s.Latest(t.Context(), match); err != nil || x.Tick != want {
				t.Errorf("Latest of %q: %d, %v", match, x.Tick, err)
			}
		}
		if _, err := s.Latest(t.Context(), "nobody"); !errors.Is(err, core.ErrNotFound) {
			t.Error(err)
		}
		if names, err := s.Matches(t.Context()); err != nil || !slices.Equal(names, []string{"both", "m", "spooled", "stored"}) {
			t.Errorf("%q, %v", names, err)
		}

		// What the store does not say is not guessed.
		store.store.Stop()
		_, latest := s.Latest(t.Context(), "spooled")
		_, matches := s.Matches(t.Context())
		errs := []error{latest, matches}
		for _, err := range s.Events(t.Context(), "m", 0, 9) {
			errs = append(errs, err)
		}
		for _, err := range s.Snapshots(t.Context(), "m", 0, 9) {
			errs = append(errs, err)
		}
		for i, err := range errs {
			if err == nil || errors.Is(err, core.ErrNotFound) || len(errs) != 4 {
				t.Errorf("%d of %d: read from a store that is down: %v", i, len(errs), err)
			}
		}
		store.store.Start()
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		for _, err := range s.Events(t.Context(), "m", 0, 9) {
			if !errors.Is(err, core.ErrClosed) {
				t.Errorf("read after Close: %v", err)
			}
		}
	})
}

// writeOnly is a sink that cannot be read.
type writeOnly struct{ core.SnapshotSink }

func TestReadUnsupported(t *testing.T) {
	s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: writeOnly{newShop().open()}})
	must(t, err)
	if _, err := s.Latest(t.Context(), "m"); !errors.Is(err, core.ErrUnsupported) {
		t.Error(err)
	}
	must(t, s.Close(t.Context()))
}

// strict says of each match that it does not know it.
type strict struct{ stuckSink }

func (strict) Events(context.Context, string, uint64, uint64) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) { yield(core.Event{}, core.ErrNotFound) }
}

// TestReadNotFound holds that a match which is only in the spool is found.
func TestReadNotFound(t *testing.T) {
	s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: strict{stuckSink{new(mem.Store).Open()}}})
	must(t, err)
	put(t, s, eventsOf("m", 1, 3)...)
	n := 0
	for _, err := range s.Events(t.Context(), "m", 0, 9) {
		must(t, err)
		n++
	}
	for _, err := range s.Events(t.Context(), "nobody", 0, 9) {
		if !errors.Is(err, core.ErrNotFound) {
			t.Error(err)
		}
		n++
	}
	if n != 4 {
		t.Errorf("%d results", n)
	}
	_ = s.Close(within(t, 0))
}

// TestReadMeanwhile holds that a record is seen which is put aside while one reads.
func TestReadMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s := full(t, store, disk, Refuse, nil)
		put(t, s, eventsOf("m", 1, 100)...) // more than a segment
		synctest.Wait()
		var met atomic.Bool
		opens := func(name string) {
			if strings.HasPrefix(name, "events") && met.CompareAndSwap(false, true) {
				store.set(func(call, n int) act { return act{some: true, err: core.ErrUnsupported} })
				time.Sleep(time.Minute)
			}
		}
		disk.opens.Store(&opens)
		if seqs, _ := stored(t, s, "m"); !slices.Equal(seqs, numbers(1, 100)) || !met.Load() || s.Stats().Refused != 100 {
			t.Errorf("read %v; %+v", seqs, s.Stats())
		}
		_ = s.Close(within(t, 0))
	})
}

// TestReadWhileShipping reads while records leave the spool for the store: none is
// missed on its way.
func TestReadWhileShipping(t *testing.T) {
	store := newShop()
	store.set(func(call, n int) act {
		if call%7 == 0 {
			return act{some: true, take: 1, err: core.ErrUnsupported}
		}
		return act{}
	})
	s, err := New(Config{Dir: t.TempDir(), Sink: store.open(), MaxBytes: MinMaxBytes, Full: Refuse})
	must(t, err)
	var acked atomic.Uint64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := uint64(1); seq <= 2000; {
			n, err := s.WriteEvents(context.Background(), eventsOf("m", seq, seq+9))
			if err != nil && !errors.Is(err, core.ErrBackpressure) {
				t.Error(err)
				return
			}
			seq += uint64(n)
			acked.Store(seq - 1)
		}
	}()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		want := acked.Load()
		seqs, _ := stored(t, s, "m")
		if n := uint64(len(seqs)); n < want || !slices.Equal(seqs, numbers(1, n)) {
			t.Fatalf("%d events acknowledged, read: %v", want, seqs)
		}
	}
	if err := s.Close(within(t, time.Minute)); err == nil && s.Stats().Refused > 0 {
		t.Error("closed without a word on what was refused")
	}
}
