package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

// full opens a spool of the smallest size over a store that is down.
func full(t *testing.T, store *shop, disk *memDisk, policy Policy, with func(*Config)) *Sink {
	t.Helper()
	store.set(down)
	cfg := Config{Dir: "spool", disk: disk, Sink: store.open(), MaxBytes: MinMaxBytes, Full: policy, Seed: 1}
	if with != nil {
		with(&cfg)
	}
	s, err := New(cfg)
	must(t, err)
	return s
}

// fill writes events of a match until one is refused, and returns how many were kept.
func fill(t *testing.T, s *Sink, match string) (kept uint64) {
	t.Helper()
	for seq := uint64(1); seq < 100_000; seq++ {
		_, err := s.WriteEvents(t.Context(), []core.Event{event(match, seq)})
		if errors.Is(err, core.ErrBackpressure) {
			return seq - 1
		}
		must(t, err)
	}
	t.Fatal("the spool never fills")
	return 0
}

// TestDropSnapshots fills a spool with snapshots of three matches, then with events.
func TestDropSnapshots(t *testing.T) {
	for _, policy := range []Policy{DropSnapshots, LatestSnapshot} {
		synctest.Test(t, func(t *testing.T) {
			store, disk := newShop(), newMemDisk()
			s := full(t, store, disk, policy, nil)
			const ticks = 100
			put(t, s, event("early", 1))
			snap(t, s, snapshot("early", 1, 1)) // the only one of its match
			for tick := uint64(1); tick <= ticks; tick++ {
				for _, match := range []string{"a", "b", "c"} {
					snap(t, s, snapshot(match, tick, 20))
					put(t, s, event(match, tick))
				}
				if size := disk.size(); size > MinMaxBytes {
					t.Fatalf("%d bytes are on disk at tick %d", size, tick)
				}
				if tick%10 == 0 {
					for _, match := range []string{"a", "b", "c"} {
						if x, err := s.Latest(t.Context(), match); err != nil || x.Tick != tick {
							t.Fatalf("Latest of %s at tick %d: %d, %v", match, tick, x.Tick, err)
						}
					}
				}
			}
			kept := fill(t, s, "d")
			if kept < 50 {
				t.Errorf("%d events found room when snapshots were dropped", kept)
			}
			// A newer snapshot takes the place of an older one even now.
			for tick := uint64(ticks + 1); tick < ticks+20; tick++ {
				snap(t, s, snapshot("a", tick, 10))
			}
			if err := s.WriteSnapshot(t.Context(), snapshot("e", 1, 300)); !errors.Is(err, core.ErrBackpressure) {
				t.Errorf("a snapshot of another match: %v", err)
			}
			st := s.Stats()
			if size := disk.size(); st.Bytes != size {
				t.Errorf("%d bytes are on disk, and %d count", size, st.Bytes)
			}
			if st.Dropped == 0 || st.WaitingEvents != 1+3*ticks+int(kept) || st.Bytes > MinMaxBytes {
				t.Errorf("%+v", st)
			}
			store.set(nil)
			must(t, s.Close(within(t, time.Hour)))

			if st := s.Stats(); st.ShippedSnapshots+st.Dropped != 1+3*ticks+19 || st.WaitingSnapshots != 0 {
				t.Errorf("%+v", st)
			}
			if err := store.inOrder(); err != nil {
				t.Error(err)
			}
			for match, want := range map[string]uint64{"a": ticks + 19, "b": ticks, "c": ticks, "early": 1} {
				seqs, got := stored(t, store.store.Open(), match)
				if len(got) == 0 || got[len(got)-1] != want {
					t.Errorf("snapshots of match %s: %v, want %d as the last", match, got, want)
				}
				if policy == LatestSnapshot && len(got) != 1 {
					t.Errorf("%d snapshots of match %s were shipped, want the latest alone", len(got), match)
				}
				if match != "early" && !slices.Equal(seqs, numbers(1, ticks)) {
					t.Errorf("%d events of match %s are stored", len(seqs), match)
				}
			}
			if seqs, _ := stored(t, store.store.Open(), "d"); !slices.Equal(seqs, numbers(1, kept)) {
				t.Errorf("%d of %d events are stored", len(seqs), kept)
			}
			if n := disk.size(); n > 0 || s.Stats().Bytes != 0 || len(s.latest) > 0 {
				t.Errorf("left: %d bytes on disk, %d that count, and places of %d matches", n, s.Stats().Bytes, len(s.latest))
			}
		})
	}
}

// TestDroppedSurvives kills a process that drops snapshots at every operation of the
// disk: the newest snapshot of each match is there afterwards, and every event.
func TestDroppedSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for op := 100; op < 600; op += 7 {
			store, disk := newShop(), newMemDisk()
			s := full(t, store, disk, DropSnapshots, nil)
			dead := errors.New("the process is dead")
			disk.fail(func(n int, what string) (bool, error) {
				if n >= op {
					return false, dead
				}
				return false, nil
			})
			var tick, seq uint64
			for {
				if n, _ := s.WriteEvents(t.Context(), []core.Event{event("m", seq+1)}); n == 0 {
					break
				}
				seq++
				if s.WriteSnapshot(t.Context(), snapshot(fmt.Sprint("m", tick%3), tick+1, 25)) != nil {
					break
				}
				tick++
			}
			_ = s.Close(within(t, 0)) // of the dead process
			store.set(nil)
			s, err := New(Config{Dir: "spool", disk: disk.survive(nil), Sink: store.open(), MaxBytes: MinMaxBytes})
			must(t, err)
			must(t, s.Close(within(t, time.Minute)))
			seqs, _ := stored(t, store.store.Open(), "m")
			if len(seqs) < int(seq) || !slices.Equal(seqs, numbers(1, uint64(len(seqs)))) {
				t.Fatalf("operation %d: %d events acknowledged, stored %v", op, seq, seqs)
			}
			for i := range min(3, tick) {
				match := fmt.Sprint("m", (tick-1-i)%3)
				_, ticks := stored(t, store.store.Open(), match)
				if len(ticks) == 0 || ticks[len(ticks)-1] < tick-i {
					t.Fatalf("operation %d: the newest snapshot of %s is %d, stored %v", op, match, tick-i, ticks)
				}
			}
		}
	})
}

// TestLatestSnapshot holds that this policy drops nothing while the store keeps up.
func TestLatestSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShop()
		s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: store.open(), Full: LatestSnapshot})
		must(t, err)
		for tick := range uint64(20) {
			snap(t, s, snapshot("m", tick+1, 1))
			synctest.Wait()
		}
		store.set(down)
		for tick := uint64(21); tick <= 40; tick++ {
			snap(t, s, snapshot("m", tick, 1))
		}
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		_, ticks := stored(t, store.store.Open(), "m")
		if want := append(numbers(1, 21), 40); !slices.Equal(ticks, want) && !slices.Equal(ticks, append(numbers(1, 20), 40)) {
			t.Errorf("stored %v, want %v", ticks, want)
		}
	})
}

func TestRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s := full(t, store, disk, Refuse, nil)
		tick := uint64(0)
		for {
			err := s.WriteSnapshot(t.Context(), snapshot("m", tick+1, 10))
			if errors.Is(err, core.ErrBackpressure) {
				break
			}
			must(t, err)
			tick++
		}
		kept := fill(t, s, "m") // a small one may still fit
		store.set(nil)
		time.Sleep(time.Minute)
		// There is room again.
		put(t, s, event("m", kept+1))
		snap(t, s, snapshot("m", tick+1, 10))
		must(t, s.Close(within(t, time.Minute)))
		seqs, ticks := stored(t, store.store.Open(), "m")
		if !slices.Equal(seqs, numbers(1, kept+1)) || !slices.Equal(ticks, numbers(1, tick+1)) || tick < 50 {
			t.Errorf("stored %v and %v", seqs, ticks)
		}
		if st := s.Stats(); st.Dropped > 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestTooLarge writes what could never fit. All before it is kept.
func TestTooLarge(t *testing.T) {
	store := newShop()
	s := full(t, store, newMemDisk(), DropSnapshots, nil)
	big := event("m", 3)
	big.Data["big"] = make([]byte, MinMaxBytes)
	events := append(eventsOf("m", 1, 2), big, event("m", 4))
	if n, err := s.WriteEvents(t.Context(), events); n != 2 || !errors.Is(err, core.ErrTooLarge) {
		t.Errorf("%d, %v", n, err)
	}
	if err := s.WriteSnapshot(t.Context(), snapshot("m", 1, 5000)); !errors.Is(err, core.ErrTooLarge) {
		t.Error(err)
	}
	// Many that fit go in one call, also where they take several frames.
	for i := range events {
		events[i].Data["big"] = make([]byte, 10_000)
	}
	if n, err := s.WriteEvents(t.Context(), events); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	store.set(nil)
	must(t, s.Close(within(t, time.Minute)))

	s, err := New(Config{Dir: "spool", disk: newMemDisk(), Sink: store.open()})
	must(t, err)
	x, objects := snapshot("m", 1, 10), 0
	x.Objects = func(yield func(core.ObjectState) bool) {
		for objects = 1; objects < 100 && yield(core.ObjectState{Fields: []core.Field{{Name: "big", Value: make([]byte, 1<<20)}}}); objects++ {
		}
	}
	if err := s.WriteSnapshot(t.Context(), x); !errors.Is(err, core.ErrTooLarge) || objects > maxRecord>>20 {
		t.Errorf("after %d objects of 1 MiB: %v", objects, err)
	}
	must(t, s.Close(within(t, time.Minute)))
}

// TestHighWater holds that the mark is told of once each time it is passed.
func TestHighWater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newShop()
		var told []Stats
		s := full(t, store, newMemDisk(), DropSnapshots, func(c *Config) {
			c.HighWater = func(st Stats) { told = append(told, st) }
		})
		for round := 1; round <= 2; round++ {
			fill(t, s, fmt.Sprint("m", round))
			if len(told) != round || told[round-1].Bytes < MinMaxBytes*3/4 || told[round-1].Bytes > MinMaxBytes*7/8 || told[round-1].WaitingEvents == 0 {
				t.Fatalf("round %d: told of %+v", round, told)
			}
			store.set(nil)
			time.Sleep(time.Minute)
			put(t, s, event("m", uint64(round)))
			synctest.Wait()
			store.set(down)
		}
		store.set(nil)
		must(t, s.Close(context.Background()))
	})
}

// TestLargeRecords fills most of a spool with single snapshots that are longer than a
// segment, one by one: each must leave when it was shipped.
func TestLargeRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s := full(t, store, disk, Refuse, nil)
		store.set(nil)
		for tick := range uint64(20) {
			x := snapshot("m", tick+1, 1300)
			if b, err := appendSnapshot(t.Context(), nil, &x); err != nil || len(b) < MinMaxBytes/2 {
				t.Fatalf("a record of %d bytes, %v", len(b), err)
			}
			snap(t, s, x)
			synctest.Wait()
		}
		must(t, s.Close(within(t, time.Minute)))
		if _, ticks := stored(t, store.store.Open(), "m"); !slices.Equal(ticks, numbers(1, 20)) {
			t.Errorf("stored %v", ticks)
		}
	})
}

// TestNewest holds which snapshot of a match is the one that is never dropped.
func TestNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s := full(t, store, disk, DropSnapshots, nil)
		newest := func(want uint64) {
			t.Helper()
			if p, ok := s.newest([]byte("m")); !ok || p.tick != want {
				t.Fatalf("the newest is %d, %v; want %d", p.tick, ok, want)
			}
		}
		for _, tick := range []uint64{10, 5, 9} { // whatever was written last
			snap(t, s, snapshot("m", tick, 20))
			newest(10)
		}
		fill(t, s, "other")
		newest(10)
		if _, ticks := stored(t, s, "m"); !slices.Contains(ticks, 10) {
			t.Errorf("left: %v", ticks)
		}
		// The shipper has 10 in its hands, as it was where it has been dropped from.
		store.set(nil)
		time.Sleep(time.Minute)
		if got := store.first(store.snapshots, "m"); !slices.Equal(got, []uint64{10}) || len(s.latest) > 0 {
			t.Errorf("shipped %v, and %d wait", got, len(s.latest))
		}
		if st := s.Stats(); st.Dropped != 2 || st.ShippedSnapshots != 1 || st.WaitingSnapshots != 0 {
			t.Errorf("%+v", st)
		}
		// One that comes while an older one is on its way stays the newest.
		store.set(func(call, n int) act { return act{delay: 5 * time.Second} })
		snap(t, s, snapshot("m", 11, 1))
		time.Sleep(time.Second)
		snap(t, s, snapshot("m", 12, 1))
		time.Sleep(5 * time.Second)
		newest(12)
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		if got := store.first(store.snapshots, "m"); !slices.Equal(got, []uint64{10, 11, 12}) {
			t.Errorf("shipped %v", got)
		}
	})
}

// TestGroupBytes holds that frames stay short when more waits than one takes, and that
// who gives up waiting takes no room.
func TestGroupBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Seed: 1})
		must(t, err)
		store.set(down)
		disk.syncTakes.Store(int64(time.Second))
		big := func(match string) []core.Event {
			e := event(match, 1)
			e.Data = map[string]any{"big": make([]byte, 300_000)}
			return []core.Event{e}
		}
		var wg sync.WaitGroup
		var kept atomic.Int32
		for i := range 20 {
			wg.Go(func() {
				if _, err := s.WriteEvents(within(t, 2500*time.Millisecond), big(fmt.Sprint("m", i))); err == nil {
					kept.Add(1)
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(10 * time.Second)
		if n := kept.Load(); n < 3 || n > 9 {
			t.Errorf("%d of 20 writes went through three fsyncs", n)
		}
		c := cursor{j: s.events}
		for {
			f, err := c.next()
			if err != nil {
				break
			}
			if len(f.records) > groupBytes {
				t.Errorf("a frame of %d bytes", len(f.records))
			}
			c.skip(&f)
		}
		time.Sleep(time.Minute)
		if size := disk.size(); s.Stats().Bytes != size {
			t.Errorf("%d bytes are on disk, and %d count", size, s.Stats().Bytes)
		}
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
	})
}
