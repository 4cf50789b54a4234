package redis_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/sink/redis"
)

var kills = flag.Int("kills", 5, "how often TestKill kills Redis")

// TestKill kills a Redis that writes all to its disk, again and again while a match is
// written there. All that was acknowledged is there, and what was not is there once after
// it was written again.
func TestKill(t *testing.T) {
	t.Parallel() // it mostly waits
	r := serve(t, durable...)
	s := open(t, redis.Config{URL: r.url()})
	seed := rand.Uint64()
	chance := rand.New(rand.NewPCG(seed, 0))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("seed:", seed)
		}
	})
	type state struct{ tick, seq, failed uint64 } // what was acknowledged
	acked, stop := make(chan state), make(chan struct{})
	go func() {
		defer close(acked)
		var at state
		for {
			at.tick++
			batch := events("m", 1, at.seq+1, at.seq+1+at.tick%7)
			for stored := false; len(batch) > 0 || !stored; {
				n, err := s.WriteEvents(t.Context(), batch)
				batch, at.seq = batch[n:], at.seq+uint64(n)
				stored = stored || s.WriteSnapshot(t.Context(), snapshot("m", 1, at.tick)) == nil
				if err != nil || !stored {
					at.failed++
					time.Sleep(10 * time.Millisecond) // before another try, as a spool does
				}
			}
			select {
			case acked <- at:
			case <-stop:
				return
			}
		}
	}()
	var at state
	for range *kills {
		for range 1 + chance.IntN(20) {
			at = <-acked
		}
		r.kill(t) // in the middle of what comes next
		r.restart(t)
	}
	at = <-acked
	close(stop)
	for x := range acked {
		at = x
	}
	if at.failed == 0 {
		t.Error("nothing failed, so nothing was killed")
	}
	snapshots, list := ticks(t, s, "m"), seqs(t, s, "m")
	// The writer may have been ahead by one.
	same(t, "snapshots", snapshots[:min(at.tick, uint64(len(snapshots)))], span(1, 1, at.tick))
	same(t, "events", list[:min(at.seq, uint64(len(list)))], span(1, 1, at.seq))
	if len(snapshots) > int(at.tick)+1 || len(list) > int(at.seq)+7 {
		t.Errorf("%d snapshots and %d events, and %+v was acknowledged", len(snapshots), len(list), at)
	}
	t.Logf("%d kills, %d writes failed, %d events and %d snapshots", *kills, at.failed, at.seq, at.tick)
}
