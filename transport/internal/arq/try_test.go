package arq

import (
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

func TestTryRate(t *testing.T) {
	for _, lat := range []time.Duration{1, 10, 25, 100, 250} {
		for _, rate := range []int{16000, 32000, 64000, 256000, 2 << 20, 20 << 20} {
			l := link{latency: lat * time.Millisecond, rate: rate, queue: 100 * time.Millisecond}
			w := newWorld(t, 1, l, l, Config{InitialRTT: 2 * lat * time.Millisecond})
			sent := 0
			w.ends[0].hold = nil
			feed := func() {
				for {
					if err := w.send(0, core.Reliable, sent, 1000); err != nil {
						break
					}
					sent++
				}
			}
			T := 20 * time.Second
			for w.now < T {
				feed()
				w.step(T)
			}
			got := len(w.ends[1].got[1]) * 1002
			t.Logf("lat %v rate %d: goodput %.3f of cap; sent %.3f; lost %d of %d, spurious %d; rtt %v, window %d tol %d", lat*time.Millisecond, rate, float64(got)/20/float64(rate), float64(w.ends[0].out.bytes)/20/float64(rate), w.ends[0].out.lost, w.ends[0].out.sent, w.ends[0].s.late, w.ends[0].s.rtt.smoothed, w.ends[0].s.cc.window, w.ends[0].s.flight.tolerance)
		}
	}
}

func TestTryLoss(t *testing.T) {
	for _, loss := range []float64{0, .01, .05, .25} {
		l := link{latency: 25 * time.Millisecond, jitter: 5 * time.Millisecond, loss: loss}
		w := newWorld(t, 1, l, l, Config{InitialRTT: 50 * time.Millisecond, Probe: true})
		sent := 0
		feed := func() {
			for {
				if err := w.send(0, core.Reliable, sent, 1000); err != nil {
					break
				}
				sent++
			}
		}
		T := 20 * time.Second
		for w.now < T {
			feed()
			w.step(T)
		}
		got := len(w.ends[1].got[1]) * 1002
		t.Logf("loss %v: goodput %d B/s ; sent %.3f of it; lost %d of %d, seen %d spurious %d; rtt %v, window %d mtu %d\nacks %d %d", loss, got/20, float64(w.ends[0].out.bytes)/float64(got), w.ends[0].out.lost, w.ends[0].out.sent, w.ends[0].s.lost, w.ends[0].s.late, w.ends[0].s.rtt.smoothed, w.ends[0].s.cc.window, w.ends[0].s.mtu.size, w.ends[1].out.sent, w.ends[1].out.bytes)
	}
}
func TestTryGame(t *testing.T) {
	for _, loss := range []float64{0, .05, .25} {
		for _, rate := range []int{0, 64000} {
			l := link{latency: 25 * time.Millisecond, jitter: 5 * time.Millisecond, loss: loss, rate: rate, queue: 100 * time.Millisecond}
			w := newWorld(t, 1, l, l, Config{InitialRTT: 50 * time.Millisecond, Probe: true})
			sent := 0
			T := 20 * time.Second
			var worst [2]time.Duration
			times := map[int]time.Duration{}
			w.ends[1].recv = func(d core.Delivery, id int, at time.Duration) { worst[d] = max(worst[d], at-times[id]) }
			var tick, up func()
			tick = func() {
				for range 2 {
					times[sent] = w.now
					w.send(0, core.Unreliable, sent, 200)
					sent++
				}
				if sent%20 == 0 {
					times[sent] = w.now
					w.send(0, core.Reliable, sent, 100)
					sent++
				}
				w.at(w.now+time.Second/60, tick)
			}
			up = func() {
				w.send(1, core.Unreliable, sent, 50)
				sent++
				w.at(w.now+time.Second/30, up)
			}
			w.at(0, tick)
			w.at(0, up)
			w.pass(T)
			t.Logf("loss %v rate %v worst %v %v", loss, rate, worst, w)
		}
	}
}
