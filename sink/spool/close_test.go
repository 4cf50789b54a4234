package spool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

// TestCloseLeaves closes a spool while the store is down: what is left is said, kept,
// and shipped by the next.
func TestCloseLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, dir := newShop(), t.TempDir()
		store.set(down)
		s, err := New(Config{Dir: dir, Sink: store.open(), Seed: 1})
		must(t, err)
		put(t, s, eventsOf("m", 1, 12)...)
		snap(t, s, snapshot("m", 1, 1))
		start := time.Now()
		err = s.Close(within(t, 3*time.Second))
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("Close took %v", took)
		}
		for _, want := range []string{"12 events", "1 snapshots", dir} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Close returned %v, want it to say %q", err, want)
			}
		}
		if !errors.Is(err, errDown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v", err)
		}
		if again := s.Close(t.Context()); again == nil || again.Error() != err.Error() {
			t.Errorf("Close again returned %v", again)
		}
		s, err = New(Config{Dir: dir, Sink: store.open(), Seed: 1})
		must(t, err)
		if st := s.Stats(); st.WaitingEvents != 12 {
			t.Errorf("%+v", st)
		}
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		if seqs, ticks := stored(t, store.store.Open(), "m"); !slices.Equal(seqs, numbers(1, 12)) || len(ticks) != 1 {
			t.Errorf("stored %v and %v", seqs, ticks)
		}
	})
}

// TestCloseHurries holds that Close does not wait for a long pause to end.
func TestCloseHurries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShop()
		store.set(down)
		s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: store.open(), Seed: 1})
		must(t, err)
		put(t, s, event("m", 1))
		time.Sleep(time.Minute) // pauses take 5 s by now
		store.set(nil)
		start := time.Now()
		must(t, s.Close(within(t, time.Minute)))
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v", took)
		}
	})
}

// TestCloseWaits holds that Close ships for as long as its context lasts, and what
// others who close get meanwhile.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShop()
		store.set(down)
		s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: store.open(), Seed: 1})
		must(t, err)
		put(t, s, event("m", 1))
		time.AfterFunc(time.Hour, func() { store.set(nil) })
		var wg sync.WaitGroup
		wg.Go(func() { must(t, s.Close(t.Context())) })
		synctest.Wait()
		if err := s.Close(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one who closes too returned %v", err)
		}
		if _, err := s.WriteEvents(t.Context(), eventsOf("m", 2, 2)); !errors.Is(err, core.ErrClosed) {
			t.Error(err)
		}
		wg.Wait()
		if seqs, _ := stored(t, store.store.Open(), "m"); len(seqs) != 1 {
			t.Errorf("stored %v", seqs)
		}
	})
}

// deafSink does not heed contexts until it is released.
type deafSink struct {
	*shopSink
	release chan struct{}
	closed  bool
}

func (k *deafSink) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	<-k.release
	return k.shopSink.WriteEvents(context.WithoutCancel(ctx), events)
}

func (k *deafSink) Close(ctx context.Context) error {
	k.closed = true
	return errors.Join(errors.New("could not say goodbye"), k.shopSink.Close(ctx))
}

// TestCloseDeaf holds that Close returns from a store that does not, and that nobody
// gets the folder before that does.
func TestCloseDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		deaf := &deafSink{shopSink: store.open(), release: make(chan struct{})}
		s, err := New(Config{Dir: "spool", disk: disk, Sink: deaf, Seed: 1})
		must(t, err)
		put(t, s, event("m", 1))
		start := time.Now()
		if err := s.Close(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v", err)
		}
		if took := time.Since(start); took > time.Second+closeGrace {
			t.Errorf("Close took %v", took)
		}
		if _, err := New(Config{Dir: "spool", disk: disk, Sink: store.open()}); !errors.Is(err, core.ErrRefused) {
			t.Errorf("New returned %v", err)
		}
		close(deaf.release)
		// The event was shipped after all, so only the sink itself has something to say.
		if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "goodbye") || strings.Contains(err.Error(), "events") || !deaf.closed {
			t.Errorf("Close returned %v", err)
		}
		s, err = New(Config{Dir: "spool", disk: disk, Sink: store.open()})
		must(t, err)
		must(t, s.Close(t.Context()))
	})
}

// slowSink takes its time to close.
type slowSink struct{ *shopSink }

func (k slowSink) Close(ctx context.Context) error {
	select {
	case <-time.After(closeGrace / 2):
		return k.shopSink.Close(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestCloseGrace holds that the store's sink is closed in good order where nothing is
// left to ship, whatever the context says.
func TestCloseGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: slowSink{newShop().open()}})
		must(t, err)
		must(t, s.Close(within(t, 0)))
		s, err = New(Config{Dir: "spool", disk: newMemDisk(), Sink: slowSink{newShop().open()}})
		must(t, err)
		must(t, s.Close(within(t, closeGrace/4)))
	})
}

// TestCloseMeetsWrite closes while a snapshot is being ranged over.
func TestCloseMeetsWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Seed: 1})
		must(t, err)
		x, release := snapshot("m", 1, 3), make(chan struct{})
		objects := x.Objects
		x.Objects = func(yield func(core.ObjectState) bool) {
			<-release
			objects(yield)
		}
		wrote := make(chan error)
		go func() { wrote <- s.WriteSnapshot(context.Background(), x) }()
		synctest.Wait()
		if err := s.Close(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v", err)
		}
		close(release)
		must(t, <-wrote)
		err = s.Close(t.Context())
		if st := s.Stats(); st.WaitingSnapshots != 1 || err == nil {
			t.Errorf("the context of Close had ended: %+v, %v", st, err)
		}
		s, err = New(Config{Dir: "spool", disk: disk, Sink: store.open(), Seed: 1})
		must(t, err)
		must(t, s.Close(t.Context()))
		if _, ticks := stored(t, store.store.Open(), "m"); len(ticks) != 1 {
			t.Errorf("stored %v", ticks)
		}
	})
}

// TestConfig holds what New says of a Config.
func TestConfig(t *testing.T) {
	sink := newShop().open()
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Sink: sink}, "Dir"}, {Config{Dir: "x"}, "Sink"}, {Config{Dir: "x", Sink: sink, MaxBytes: MinMaxBytes - 1}, "MaxBytes"},
		{Config{Dir: "x", Sink: sink, MaxBytes: -1}, "MaxBytes"}, {Config{Dir: "x", Sink: sink, Timeout: -1}, "Timeout"},
		{Config{Dir: "x", Sink: sink, Full: 9}, "Full"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), "Config."+c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	s, err := New(Config{Dir: "x", Sink: sink, disk: newMemDisk()})
	must(t, err)
	if s.cfg.MaxBytes != DefaultMaxBytes || s.cfg.Timeout != DefaultTimeout || s.segment() != segmentBytes || s.Unwrap() != core.SnapshotSink(sink) {
		t.Errorf("%+v", s.cfg)
	}
	must(t, s.Close(t.Context()))
}
