package spool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

var outage = flag.Duration("outage", 20*time.Second, "how long the store is down in TestOutage, in virtual time")

// TestOutage writes 20 snapshots and 200 events a second over an outage, on a real disk.
// Afterwards all of it is in the store, once and in the order in which it was written.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShop()
		s, err := New(Config{Dir: t.TempDir(), Sink: store.open(), Seed: 1})
		must(t, err)
		before, after := 2*time.Second, 2*time.Second
		var tick, seq uint64
		var order []string
		write := func(d time.Duration) {
			for range int(d / (50 * time.Millisecond)) {
				time.Sleep(50 * time.Millisecond)
				tick++
				put(t, s, eventsOf("m", seq+1, seq+10)...)
				for range 10 {
					seq++
					order = append(order, fmt.Sprint("em/1/", seq))
				}
				snap(t, s, snapshot("m", tick, 20))
				order = append(order, fmt.Sprint("sm/1/", tick))
			}
		}
		write(before)
		store.set(down)
		write(*outage)
		if st := s.Stats(); st.StoreErr != errDown || st.Failures == 0 || uint64(st.WaitingSnapshots) < 20*uint64(*outage/time.Second) || st.Dropped > 0 {
			t.Errorf("during the outage: %+v", st)
		}
		store.set(nil)
		write(after)
		must(t, s.Close(within(t, time.Minute)))

		seqs, ticks := stored(t, store.store.Open(), "m")
		if !slices.Equal(seqs, numbers(1, seq)) || !slices.Equal(ticks, numbers(1, tick)) {
			t.Errorf("%d of %d events and %d of %d snapshots are stored", len(seqs), seq, len(ticks), tick)
		}
		if !slices.Equal(store.order, order) {
			t.Errorf("events and snapshots came in another order than they were written: %v", store.order)
		}
		if n := store.doubles(); n > 0 {
			t.Errorf("%d keys were written again, though the store was only down", n)
		}
		st := s.Stats()
		if st.WaitingEvents+st.WaitingSnapshots > 0 || st.ShippedEvents != seq || st.ShippedSnapshots != tick || st.StoreErr != nil {
			t.Errorf("in the end: %+v", st)
		}
	})
}

// TestFaults lets the store fail in many ways while two matches write.
func TestFaults(t *testing.T) {
	const events, snapshots = 600, 60
	for _, c := range []struct {
		name string
		act  func(call, n int) act
		// again says that keys may come again, since a call's outcome was not known.
		again bool
	}{
		{"flapping", func(call, n int) act {
			if call/5%2 == 1 {
				return act{some: true, err: errDown}
			}
			return act{}
		}, false},
		{"slow", func(call, n int) act {
			if call < 10 {
				return act{delay: 5 * time.Second}
			}
			return act{}
		}, false},
		{"too slow for its timeout", func(call, n int) act {
			if call < 4 {
				return act{delay: time.Minute}
			}
			return act{}
		}, false},
		{"never answers", func(call, n int) act { return act{hang: call < 4} }, false},
		{"the answer is lost", func(call, n int) act {
			if call%3 != 0 {
				return act{err: errors.New("connection reset")}
			}
			return act{}
		}, true},
		{"takes a part", func(call, n int) act {
			if n > 1 {
				return act{some: true, take: n / 2, err: errDown}
			}
			return act{}
		}, false},
		{"takes a part and does not say why", func(call, n int) act { return act{some: n > 0, take: (n + 1) / 2} }, false},
		{"takes one at a time", func(call, n int) act {
			if n > 0 {
				return act{some: true, take: 1, err: errDown}
			}
			return act{}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, disk := newShop(), newMemDisk()
				store.set(c.act)
				s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Seed: 1})
				must(t, err)
				var wg sync.WaitGroup
				for _, match := range []string{"a", "b"} {
					wg.Go(func() {
						for i := uint64(1); i <= snapshots; i++ {
							const each = events / snapshots
							put(t, s, eventsOf(match, (i-1)*each+1, i*each)...)
							snap(t, s, snapshot(match, i, 2))
							time.Sleep(5 * time.Millisecond)
						}
					})
				}
				wg.Wait()
				start := time.Now()
				must(t, s.Close(within(t, time.Hour)))
				// A store that takes something is not one that is down.
				if took := time.Since(start); took > 5*time.Minute {
					t.Errorf("the rest was shipped in %v", took)
				}
				for _, match := range []string{"a", "b"} {
					seqs, ticks := stored(t, store.store.Open(), match)
					if !slices.Equal(seqs, numbers(1, events)) || !slices.Equal(ticks, numbers(1, snapshots)) {
						t.Errorf("match %s: %d of %d events and %d of %d snapshots are stored", match, len(seqs), events, len(ticks), snapshots)
					}
				}
				if err := store.inOrder(); err != nil {
					t.Error(err)
				}
				if n := store.doubles(); n > 0 && !c.again {
					t.Errorf("%d keys were written again", n)
				}
			})
		})
	}
}

// TestPauses holds how long the shipper waits between calls of a store that is down.
func TestPauses(t *testing.T) {
	pauses := func(seed uint64) (list []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			store := newShop()
			var last time.Time
			store.set(func(call, n int) act {
				if call > 1 {
					list = append(list, time.Since(last))
				}
				last = time.Now()
				return act{some: true, err: errDown}
			})
			s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: store.open(), Seed: seed})
			must(t, err)
			put(t, s, event("m", 1))
			time.Sleep(time.Minute)
			if err := s.Close(within(t, 0)); err == nil {
				t.Error("closed without a word about what is left")
			}
		})
		return list[:12]
	}
	first := pauses(1)
	for i, d := range first {
		want := min(maxBackoff, minBackoff<<i)
		if d < want*3/4 || d > want*5/4 {
			t.Errorf("pause %d took %v, want %v and a quarter more or less", i+1, d, want)
		}
	}
	if again := pauses(1); !slices.Equal(first, again) {
		t.Errorf("the same seed gave %v and %v", first, again)
	}
	if other := pauses(2); slices.Equal(first, other) {
		t.Error("two seeds gave the same pauses")
	}
}

// TestRefused holds that a record which the store never takes stands in nobody's way,
// is not lost, and is tried again at the next start.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		picky := &pickySink{shopSink: store.open(), refuse: map[uint64]error{
			7: core.Errorf(core.ErrUnsupported, "not this one"), 300: core.Errorf(core.ErrTooLarge, "nor this"), 1: core.Errorf(core.ErrUnsupported, "nor the first")}}
		s, err := New(Config{Dir: "spool", disk: disk, Sink: picky, Seed: 1})
		must(t, err)
		store.set(down)
		for i := uint64(0); i < 40; i++ {
			put(t, s, eventsOf("m", i*10+1, i*10+10)...)
			snap(t, s, snapshot("m", i+1, 1))
		}
		store.set(nil)
		time.Sleep(time.Minute)
		st := s.Stats()
		if st.Refused != 5 || st.WaitingEvents+st.WaitingSnapshots > 0 {
			t.Errorf("%+v", st)
		}
		want := slices.DeleteFunc(numbers(1, 400), func(n uint64) bool { return picky.refuse[n] != nil })
		if got := store.first(store.events, "m"); !slices.Equal(got, want) {
			t.Errorf("stored in this order: %v", got)
		}
		// A reader misses nothing.
		if seqs, ticks := stored(t, s, "m"); !slices.Equal(seqs, numbers(1, 400)) || !slices.Equal(ticks, numbers(1, 40)) {
			t.Errorf("read: %v %v", seqs, ticks)
		}
		if err := s.Close(within(t, time.Minute)); err == nil {
			t.Error("Close said nothing of what the store refused")
		}

		for round := range 3 {
			picky := &pickySink{shopSink: store.open(), refuse: map[uint64]error{7: core.Errorf(core.ErrUnsupported, "still not")}}
			if round == 2 {
				picky.refuse = nil
			}
			s, err = New(Config{Dir: "spool", disk: disk, Sink: picky, Seed: 1})
			must(t, err)
			put(t, s, event("m", 401+uint64(round)))
			time.Sleep(time.Minute)
			if seqs, _ := stored(t, s, "m"); !slices.Equal(seqs, numbers(1, 401+uint64(round))) {
				t.Errorf("round %d: read %v", round, seqs)
			}
			err = s.Close(within(t, time.Minute))
			if st := s.Stats(); round < 2 && (st.Refused != 2 || err == nil) || round == 2 && (st.Refused != 0 || err != nil) {
				t.Errorf("round %d: %+v, Close: %v", round, st, err)
			}
		}
		if seqs, ticks := stored(t, store.store.Open(), "m"); !slices.Equal(seqs, numbers(1, 403)) || !slices.Equal(ticks, numbers(1, 40)) {
			t.Errorf("stored in the end: %v %v", seqs, ticks)
		}
		if n := disk.size(); n > 0 {
			t.Errorf("%d bytes are still on disk", n)
		}
	})
}

// TestRefusedSoon holds that one bad event among many is found in few calls.
func TestRefusedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strict := &wholeSink{shopSink: newShop().open(), refuse: 200}
		s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: strict, Seed: 1})
		must(t, err)
		put(t, s, eventsOf("m", 1, batchEvents)...)
		time.Sleep(time.Minute)
		if st := s.Stats(); st.Refused != 1 || st.ShippedEvents != batchEvents-1 || strict.calls.Load() > 30 {
			t.Errorf("%d calls; %+v", strict.calls.Load(), st)
		}
		_ = s.Close(within(t, time.Second)) // says what was refused
	})
}

// wholeSink takes nothing of a batch with an event of one number.
type wholeSink struct {
	*shopSink
	refuse uint64
	calls  atomic.Int32
}

func (k *wholeSink) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	k.calls.Add(1)
	if slices.ContainsFunc(events, func(e core.Event) bool { return e.Seq == k.refuse }) {
		return 0, core.Errorf(core.ErrTooLarge, "too large together")
	}
	return k.shopSink.WriteEvents(ctx, events)
}

// TestRefusedDiskFull holds that a record which cannot be put aside stays where it is.
func TestRefusedDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		picky := &pickySink{shopSink: store.open(), refuse: map[uint64]error{3: core.ErrUnsupported}}
		s, err := New(Config{Dir: "spool", disk: disk, Sink: picky, Seed: 1})
		must(t, err)
		store.set(down)
		put(t, s, eventsOf("m", 1, 5)...)
		disk.fail(func(_ int, what string) (bool, error) {
			if what == "create" {
				return false, syscall.ENOSPC
			}
			return false, nil
		})
		store.set(nil)
		time.Sleep(time.Minute)
		if st := s.Stats(); !slices.Equal(store.first(store.events, "m"), numbers(1, 2)) || !errors.Is(st.StoreErr, syscall.ENOSPC) || !errors.Is(st.StoreErr, core.ErrUnsupported) {
			t.Errorf("stored %v; %+v", store.first(store.events, "m"), st)
		}
		disk.fail(nil)
		time.Sleep(time.Minute)
		if seqs, _ := stored(t, s, "m"); !slices.Equal(store.first(store.events, "m"), []uint64{1, 2, 4, 5}) || !slices.Equal(seqs, numbers(1, 5)) || s.Stats().Refused != 1 {
			t.Errorf("stored %v, read %v; %+v", store.first(store.events, "m"), seqs, s.Stats())
		}
		_ = s.Close(within(t, time.Second)) // says what was refused
	})
}

// pickySink refuses events of some numbers and snapshots of the same ticks, and counts
// too few of those before them.
type pickySink struct {
	*shopSink
	refuse map[uint64]error
}

func (k *pickySink) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	for i, e := range events {
		if err := k.refuse[e.Seq]; err != nil {
			n, other := k.shopSink.WriteEvents(ctx, events[:i/2])
			if other != nil {
				err = other
			}
			return n, err
		}
	}
	return k.shopSink.WriteEvents(ctx, events)
}

func (k *pickySink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if err := k.refuse[x.Tick]; err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return k.shopSink.WriteSnapshot(ctx, x)
}
