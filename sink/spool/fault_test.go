package spool

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

// acknowledged is what a process was told is kept, and what it tried.
type acknowledged struct {
	seq, tick           uint64   // the last that was acknowledged
	triedSeq, triedTick uint64   // the last that was tried
	lostTicks           []uint64 // snapshots that were given up
	poisoned            bool
}

// live is the life of one process on a disk that may fail: it writes while the store is
// up, down and up again, writes again what failed, and ends.
func live(t *testing.T, store *shop, disk *memDisk) (a acknowledged) {
	cfg := Config{Dir: "spool", disk: disk, Sink: store.open(), MaxBytes: MinMaxBytes, Seed: 1}
	s, err := New(cfg)
	if err != nil {
		must(t, cfg.Sink.Close(t.Context()))
		return a
	}
	for round := range uint64(12) {
		switch round {
		case 3:
			store.set(down)
		case 9:
			store.set(nil)
			time.Sleep(10 * time.Second)
		}
		for range 3 { // tries
			batch := eventsOf("m", a.seq+1, (round+1)*20)
			if len(batch) == 0 {
				break
			}
			a.triedSeq = max(a.triedSeq, (round+1)*20)
			n, err := s.WriteEvents(t.Context(), batch)
			a.seq += uint64(n)
			if err == nil && n < len(batch) {
				t.Errorf("%d of %d events kept, and no error says why", n, len(batch))
			}
			if err != nil && (errors.Is(err, core.ErrClosed) || errors.Is(err, core.ErrTooLarge)) {
				t.Errorf("an error of the disk came as %v", err)
			}
		}
		for range 2 {
			if a.tick > round {
				break
			}
			a.triedTick = round + 1
			if s.WriteSnapshot(t.Context(), snapshot("m", round+1, 60)) == nil {
				a.tick = round + 1
			}
		}
		if a.tick <= round { // given up
			a.lostTicks = append(a.lostTicks, round+1)
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = s.Close(within(t, time.Minute)) // of a disk that may be gone
	if a.poisoned = s.Stats().DiskErr != nil; a.poisoned && s.Stats().WaitingEvents > 0 {
		t.Errorf("the disk failed, and what was on it was not shipped: %+v", s.Stats())
	}
	return a
}

// heal opens the spool on the disk that is left, ships all and checks the store.
func heal(t *testing.T, store *shop, disk *memDisk, a acknowledged) {
	store.set(nil)
	cfg := Config{Dir: "spool", disk: disk, Sink: store.open(), MaxBytes: MinMaxBytes}
	s, err := New(cfg)
	if err != nil {
		t.Error(err)
		must(t, cfg.Sink.Close(t.Context()))
		return
	}
	if err := s.Close(within(t, time.Minute)); err != nil {
		t.Error(err)
	}
	seqs, ticks := stored(t, store.store.Open(), "m")
	if n := uint64(len(seqs)); n < a.seq || n > a.triedSeq || !slices.Equal(seqs, numbers(1, n)) {
		t.Errorf("%d events acknowledged, %d tried, stored: %v", a.seq, a.triedSeq, seqs)
	}
	for tick := uint64(1); tick <= a.tick; tick++ {
		if !slices.Contains(ticks, tick) && !slices.Contains(a.lostTicks, tick) {
			t.Errorf("snapshot %d of %d acknowledged is not stored: %v", tick, a.tick, ticks)
		}
	}
	if len(ticks) > 0 && ticks[len(ticks)-1] > a.triedTick {
		t.Errorf("snapshot %d was never written", ticks[len(ticks)-1])
	}
	if err := store.inOrder(); err != nil {
		t.Error(err)
	}
	if n := disk.size(); n > 0 || s.Stats().Bytes != 0 {
		t.Errorf("%d bytes are still on disk, and %d count", n, s.Stats().Bytes)
	}
}

// TestDiskFaults fails the disk at every operation of a process's life, in every way
// that it can, once and for good. Nothing that was acknowledged is lost, then or after
// the next start.
func TestDiskFaults(t *testing.T) {
	step := stride()
	for _, c := range []struct {
		name  string
		what  string // of operations; "" is all
		err   error
		short bool
		last  bool // for good
	}{
		{"disk full", "write", syscall.ENOSPC, false, false},
		{"disk full in the middle of a write", "write", syscall.ENOSPC, true, false},
		{"a short write that says nothing", "write", nil, true, false},
		{"no more files", "create", syscall.ENOSPC, false, false},
		{"disk full for good", "", syscall.ENOSPC, false, true},
		{"write error", "write", syscall.EIO, true, false},
		{"fsync", "sync", syscall.EIO, false, false},
		{"fsync of the folder", "sync folder", syscall.EIO, false, false},
		{"remove", "remove", syscall.EACCES, false, false},
		{"a disk that goes away", "", syscall.EIO, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				faults := 0
				for nth := 1; ; nth += step {
					store, disk := newShop(), newMemDisk()
					seen, hit := 0, false
					disk.fail(func(op int, what string) (bool, error) {
						if c.what != "" && what != c.what {
							return false, nil
						}
						if seen++; seen == nth || c.last && seen > nth {
							hit = true
							return c.short, c.err
						}
						return false, nil
					})
					a := live(t, store, disk)
					var power *rand.Rand // the process is killed, or the power goes
					if nth%2 == 0 {
						power = rand.New(rand.NewPCG(uint64(nth), 0))
					}
					heal(t, store, disk.survive(power), a)
					if !hit {
						break // its life has no more operations
					}
					faults++
					wantPoison := c.what == "sync" || c.what == "sync folder"
					if a.triedSeq > 0 && wantPoison != a.poisoned && !c.last {
						t.Errorf("poisoned: %v", a.poisoned)
					}
					// What can be written again was.
					if a.triedSeq > 0 && !a.poisoned && !c.last && (a.seq != 240 || a.tick != 12) {
						t.Errorf("one fault, and only %d events and %d snapshots were kept", a.seq, a.tick)
					}
					if t.Failed() {
						t.Fatalf("fault number %d", nth)
					}
				}
				if faults == 0 {
					t.Error("nothing ever failed")
				}
			})
		})
	}
}

// stride is how many operations are passed over from one fault to the next.
func stride() int {
	switch {
	case testing.Short():
		return 7
	case race:
		return 3
	}
	return 1
}

var losses = flag.Uint64("losses", 4, "how often TestPowerLoss cuts the power at each operation")

// TestPowerLoss cuts the power at every operation of a process's life, several times
// each: what was not synced is then old, new or rubbish, sector by sector.
func TestPowerLoss(t *testing.T) {
	step := stride()
	synctest.Test(t, func(t *testing.T) {
		for op := 1; ; op += step {
			hit := false
			for seed := range *losses {
				store, disk := newShop(), newMemDisk()
				disk.fail(func(n int, what string) (bool, error) {
					if n >= op {
						hit = true
						return n == op && seed%2 == 0, errors.New("the power is out")
					}
					return false, nil
				})
				a := live(t, store, disk)
				heal(t, store, disk.survive(rand.New(rand.NewPCG(seed, uint64(op)))), a)
				if t.Failed() {
					t.Fatalf("operation %d, seed %d", op, seed)
				}
			}
			if !hit {
				if op < 50 {
					t.Errorf("%d operations only", op)
				}
				break
			}
		}
	})
}

// TestPoisoned holds what an fsync error says, and that nobody asks the disk again.
func TestPoisoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		store.set(down)
		s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Seed: 1})
		must(t, err)
		put(t, s, eventsOf("m", 1, 10)...)
		disk.syncTakes.Store(int64(time.Second))
		once := true
		disk.fail(func(op int, what string) (bool, error) {
			if what == "sync" && once {
				once = false // from now on the disk says that all is well
				return false, syscall.EIO
			}
			return false, nil
		})
		waiting := make(chan error)
		go func() {
			time.Sleep(time.Second / 2)
			_, err := s.WriteEvents(t.Context(), eventsOf("m", 13, 13))
			waiting <- err
		}()
		_, first := s.WriteEvents(t.Context(), eventsOf("m", 11, 12))
		if err := <-waiting; !errors.Is(err, syscall.EIO) {
			t.Errorf("one who waited for the next fsync: %v", err)
		}
		ops := disk.count()
		for range 3 {
			n, again := s.WriteEvents(t.Context(), eventsOf("m", 11, 12))
			snapErr := s.WriteSnapshot(t.Context(), snapshot("m", 1, 1))
			for _, err := range []error{first, again, snapErr, s.Stats().DiskErr} {
				if n != 0 || !errors.Is(err, syscall.EIO) {
					t.Errorf("%d, %v", n, err)
				}
			}
		}
		if disk.count() != ops {
			t.Errorf("%d operations on a disk that cannot be trusted", disk.count()-ops)
		}
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		if seqs, _ := stored(t, store.store.Open(), "m"); !slices.Equal(seqs, numbers(1, 10)) {
			t.Errorf("stored %v", seqs)
		}
	})
}

// TestDiskErrors holds that New says what is wrong with a folder.
func TestDiskErrors(t *testing.T) {
	for _, c := range []struct {
		what string
		err  error
	}{
		{"lock", syscall.EROFS}, {"create", syscall.EACCES}, {"write", syscall.ENOSPC}, {"sync", syscall.EIO}, {"sync folder", syscall.EIO},
	} {
		disk, store := newMemDisk(), newShop()
		disk.fail(func(_ int, what string) (bool, error) {
			if what == c.what {
				return false, c.err
			}
			return false, nil
		})
		_, err := New(Config{Dir: "spool", disk: disk, Sink: store.open()})
		if !errors.Is(err, c.err) {
			t.Errorf("%s fails: New returned %v", c.what, err)
		}
		if disk.locked {
			t.Errorf("%s fails, and the folder stays locked: %v", c.what, err)
		}
		disk.fail(nil)
		s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open()})
		must(t, err)
		put(t, s, event("m", 1))
		must(t, s.Close(within(t, time.Minute)))
	}
}

// TestGroup holds that those who write at the same time share an fsync.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		store.set(down)
		s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Seed: 1})
		must(t, err)
		synctest.Wait()
		syncs := disk.syncs
		disk.syncTakes.Store(int64(10 * time.Millisecond))
		start := time.Now()
		done := make(chan time.Duration, 100)
		for i := range cap(done) {
			go func() {
				put(t, s, eventsOf(fmt.Sprint("m", i), 1, 3)...)
				done <- time.Since(start)
			}()
		}
		for range cap(done) {
			if d := <-done; d > 20*time.Millisecond {
				t.Errorf("a write took %v, two fsyncs take 20 ms", d)
			}
		}
		synctest.Wait()
		if n := disk.syncs - syncs; n > 2 {
			t.Errorf("%d fsyncs for %d writes at once", n, cap(done))
		}
		// A lone writer does not wait for others.
		start = time.Now()
		put(t, s, event("m", 1))
		if d := time.Since(start); d != 10*time.Millisecond {
			t.Errorf("a write alone took %v, an fsync takes 10 ms", d)
		}
		// One that cannot wait gives up.
		ctx := within(t, time.Millisecond)
		if n, err := s.WriteEvents(ctx, eventsOf("m", 2, 3)); n != 0 || !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
			t.Errorf("%d, %v", n, err)
		}
		store.set(nil)
		must(t, s.Close(within(t, time.Minute)))
		// Its events came all the same, whole and once.
		if seqs, _ := stored(t, store.store.Open(), "m"); !slices.Equal(seqs, numbers(1, 3)) {
			t.Errorf("stored %v", seqs)
		}
	})
}
