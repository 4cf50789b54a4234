package file

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

// TestLive reads what another sink is writing, over a disk on which writes fail in the
// middle now and then: what is read is always a beginning of what is written.
func TestLive(t *testing.T) {
	dir, d := t.TempDir(), &disktest.Disk{NoSync: true}
	w := open(t, Config{Dir: dir, Ack: AckOS, disk: d})
	r := open(t, Config{Dir: dir, ReadOnly: true})
	var op atomic.Int64
	d.Fault(func(o disktest.Op) error {
		if o.Kind == "WriteAt" && op.Add(1)%5 == 0 {
			return &disktest.ShortWrite{N: o.Size / 2, Err: syscall.ENOSPC}
		}
		return nil
	})
	const ticks, batch = 150, 40
	done := make(chan error, 1)
	go func() {
		defer close(done)
		ctx := context.Background()
		for tick := range uint64(ticks) {
			events := eventsOf("m", 1, tick*batch+1, batch)
			for tries := 0; len(events) > 0; tries++ {
				n, err := w.WriteEvents(ctx, events)
				if events = events[n:]; err != nil && tries > 20 {
					done <- err
					return
				}
			}
			for tries := 0; ; tries++ {
				err := w.WriteSnapshot(ctx, snapshotOf("m", 1, tick, int(tick)))
				if err == nil {
					break
				}
				if tries > 20 {
					done <- err
					return
				}
			}
		}
	}()
	events, snapshots, newest := 0, 0, uint64(0)
	for writing := true; writing; {
		select {
		case err := <-done:
			if writing = false; err != nil {
				t.Fatal(err)
			}
		default:
		}
		n := uint64(0)
		for e, err := range r.Events(t.Context(), "m", 0, ^uint64(0)) {
			if n++; err != nil || e.Seq != n || e.Kind != "scored" {
				t.Fatalf("event %d is %d, %v", n, e.Seq, err)
			}
		}
		if int(n) < events {
			t.Fatalf("%d events, and there were %d", n, events)
		}
		events = int(n)
		if x, err := r.Latest(t.Context(), "m"); err == nil {
			if x.Tick < newest || snapshotText(t, x) != snapshotText(t, snapshotOf("m", 1, x.Tick, int(x.Tick))) {
				t.Fatalf("the newest is %d/%d, after %d", x.Epoch, x.Tick, newest)
			}
			newest = x.Tick
		}
		n = 0
		for x, err := range r.Snapshots(t.Context(), "m", newest, ^uint64(0)) {
			if err != nil || x.Tick != newest+n {
				t.Fatalf("snapshot %d: %v", x.Tick, err)
			}
			n++
		}
		snapshots = int(newest + n)
	}
	if events != ticks*batch || snapshots != ticks {
		t.Errorf("%d events and %d snapshots at the end", events, snapshots)
	}
	c := contentOf(t, r, "m")
	if same := contentOf(t, w, "m"); !slices.Equal(c.events, same.events) || !slices.Equal(c.snapshots, same.snapshots) || fmt.Sprint(c.eventErr, c.snapErr) != "<nil> <nil>" {
		t.Error("the reader and the writer see different things")
	}
}
