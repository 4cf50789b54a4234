package arq

import (
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

func TestTry(t *testing.T) {
	bad := link{latency: 250 * time.Millisecond, jitter: 100 * time.Millisecond, loss: .25, dup: .25, reorder: .1, late: 100 * time.Millisecond}
	w := newWorld(t, 1, bad, bad, Config{})
	const n = 10000
	sent := 0
	feed := func() {
		for sent < n {
			if err := w.send(0, core.Reliable, sent, 9+w.rng.IntN(200)); err != nil {
				break
			}
			sent++
		}
	}
	start := time.Now()
	w.run(10*time.Minute, func() bool { feed(); return len(w.ends[1].got[1]) == n })
	for i, id := range w.ends[1].got[1] {
		if id != i {
			t.Fatal(i, id)
		}
	}
	t.Log(time.Since(start), w.now, w)
}
