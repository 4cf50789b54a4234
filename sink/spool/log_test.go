package spool

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

// TestLog holds what the log says over an outage, and how often.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logs
		store, disk := newShop(), newMemDisk()
		picky := &pickySink{shopSink: store.open(), refuse: map[uint64]error{3: core.Errorf(core.ErrUnsupported, "not that one")}}
		s := full(t, store, disk, DropSnapshots, func(c *Config) {
			c.Sink, c.Log = picky, slog.New(slog.NewTextHandler(&log, nil))
		})
		said := func(least, most int, words ...string) {
			t.Helper()
			n := 0
			for line := range strings.Lines(log.String()) {
				all := true
				for _, w := range words {
					all = all && strings.Contains(line, w)
				}
				if all {
					n++
				}
			}
			if n < least || n > most {
				t.Errorf("%q was said %d times, want %d to %d:\n%s", words, n, least, most, log.String())
			}
		}
		start := time.Now()
		for tick := uint64(1); time.Since(start) < time.Minute; tick++ {
			snap(t, s, snapshot("m", tick, 20))
			if tick <= 10 {
				put(t, s, event("m", tick))
			}
			time.Sleep(100 * time.Millisecond)
		}
		said(5, 7, "level=WARN", "store does not take", errDown.Error())
		said(1, 7, "level=WARN", "unsaid=", "store does not take")
		said(4, 7, "level=WARN", "snapshots that were not shipped are dropped")
		said(1, 1, "level=WARN", "three quarters full", errDown.Error())
		said(0, 0, "works again")
		said(0, 0, "refused until")
		fill(t, s, "other")
		said(1, 1, "level=WARN", "refused until")

		store.set(nil)
		time.Sleep(time.Minute)
		said(1, 1, "level=INFO", "works again", "after=1m")
		said(1, 1, "level=ERROR", "refused a record", "match=m", "seq=3", "not that one")
		if err := s.Close(within(t, time.Second)); err == nil {
			t.Error("Close said nothing of what was refused")
		}
		said(1, 1, "level=WARN", "wait for the next start", "refused=")

		s, err := New(Config{Dir: "spool", disk: disk, Sink: store.open(), Log: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, err)
		said(1, 1, "level=INFO", "an earlier process left records", "refused=")
		must(t, s.Close(within(t, time.Minute)))
	})
}

// TestUnreadable damages a file under a spool that runs: what cannot be read is not
// shipped, which is said, and what is well again is.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logs
		store, disk := newShop(), newMemDisk()
		s := full(t, store, disk, Refuse, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		put(t, s, event("m", 1))
		synctest.Wait() // the shipper has that in its hands, and nothing more
		put(t, s, eventsOf("m", 2, 200)...)
		name := disk.segments("events")[2]
		disk.mu.Lock()
		disk.files[name].data[headerSize+40] ^= 1
		disk.mu.Unlock()
		store.set(nil)
		time.Sleep(time.Minute)
		left := s.Stats().WaitingEvents
		if left == 0 || left == 200 || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), name) {
			t.Errorf("%d events left, and the log says %q", left, log.String())
		}
		for _, err := range s.Events(t.Context(), "m", 0, 1000) {
			if !errors.Is(err, core.ErrMalformed) {
				t.Errorf("read: %v", err)
			}
		}
		disk.mu.Lock()
		disk.files[name].data[headerSize+40] ^= 1
		disk.mu.Unlock()
		must(t, s.Close(within(t, time.Minute)))
		if seqs, _ := stored(t, store.store.Open(), "m"); len(seqs) != 200 {
			t.Errorf("%d events are stored", len(seqs))
		}
	})
}

// TestVanished removes a file under a spool that runs.
func TestVanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newShop(), newMemDisk()
		s := full(t, store, disk, Refuse, nil)
		put(t, s, event("m", 1))
		synctest.Wait() // the shipper has that in its hands, and nothing more
		put(t, s, eventsOf("m", 2, 200)...)
		must(t, disk.Remove(disk.segments("events")[2]))
		store.set(nil)
		time.Sleep(time.Minute)
		if left := s.Stats().WaitingEvents; left == 0 || left == 200 {
			t.Errorf("%d events are left", left)
		}
		if err := s.Close(within(t, time.Minute)); err == nil || !strings.Contains(err.Error(), "events") {
			t.Errorf("Close returned %v", err)
		}
	})
}
