package arq

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// TestMTU holds that the largest datagram that a path carries is found, whatever its
// losses, that nothing larger is sent for long, and that what is too large for the path
// costs no speed.
func TestMTU(t *testing.T) {
	for _, c := range []struct {
		path int
		loss float64
		want int
	}{
		{0, 0, 1452}, {1452, 0, 1452}, {1451, 0, 1444}, {1400, 0, 1372}, {1300, 0, 1232}, {1231, 0, 1200}, {1200, 0, 1200},
		{0, .25, 1452}, {1200, .25, 1200},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			l := link{latency: 20 * ms, mtu: c.path, loss: c.loss}
			w := newWorld(t, 1, l, l, Config{Probe: true, InitialRTT: 40 * ms})
			game(w, 16*ms, 100)
			w.ends[1].out.down = func(at time.Duration) bool { return at < 300*ms }
			w.pass(300 * ms)
			if w.ends[0].s.mtu.flying || w.ends[0].s.mtu.tries > 0 {
				w.fatalf("it has tried a larger datagram before anything was answered")
			}
			w.run(20*time.Second, func() bool { return w.ends[0].s.mtu.size == c.want && w.ends[1].s.mtu.size == c.want })
			w.pass(20 * time.Second)
			s := w.ends[0].s
			if s.mtu.size != c.want {
				w.fatalf("the size is %d now", s.mtu.size)
			}
			if got, want := s.MaxSize(core.Unreliable), c.want-defaultOverhead-3; got != want {
				w.fatalf("MaxSize is %d, want %d", got, want)
			}
			if c.loss == 0 && (s.lost > 0 || s.cc.window < firstWindow) {
				w.fatalf("%d packets were taken for lost, and the window is %d", s.lost, s.cc.window)
			}
			if lost := w.ends[0].out.lost; c.loss == 0 && lost > len(probeSizes)*probeTries {
				w.fatalf("%d datagrams were too large", lost)
			}
		})
	}
}

// TestNoProbe holds that a Session that must not probe does not.
func TestNoProbe(t *testing.T) {
	l := link{latency: ms, mtu: BaseDatagram}
	w := newWorld(t, 1, l, l, Config{})
	game(w, 250*ms, 1100)
	w.pass(exploreAgain + time.Minute)
	if lost := w.ends[0].out.lost; lost > 0 {
		w.fatalf("%d datagrams were too large", lost)
	}
	s := w.ends[0].s
	s.TooBig(w.time(), 10)
	if s.MaxSize(core.Unreliable) != BaseDatagram-defaultOverhead-3 {
		t.Errorf("MaxSize is %d", s.MaxSize(core.Unreliable))
	}
}

// TestBlackHole holds that a path that becomes narrower is noticed, by Reliable messages
// alone as well as by Unreliable ones, without loss of the former; and that it is tried again later.
func TestBlackHole(t *testing.T) {
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		t.Run(d.String(), func(t *testing.T) {
			l := link{latency: 20 * ms}
			w := newWorld(t, 1, l, l, Config{Probe: true, InitialRTT: 40 * ms})
			n, every := 0, 16*ms
			var tick func()
			tick = func() {
				if size := w.ends[0].s.MaxSize(d); d == core.Unreliable {
					w.send(0, d, n, size)
				} else {
					w.send(0, d, n, 5000)
				}
				n++
				w.at(w.now+every, tick)
			}
			w.at(0, tick)
			s := w.ends[0].s
			w.run(5*time.Second, func() bool { return s.mtu.size == MaxDatagram })
			w.ends[0].out.mtu = 1300
			w.run(3*time.Second, func() bool { return s.mtu.size == BaseDatagram })
			before := len(w.ends[1].got[d])
			w.pass(time.Second)
			if got := len(w.ends[1].got[d]) - before; got < 50 {
				w.fatalf("only %d messages came in the second after: %v", got, w)
			}
			if d == core.Reliable {
				for i, id := range w.ends[1].got[d] {
					if i != id {
						w.fatalf("got message %d in place of %d", id, i)
					}
				}
			}
			w.ends[0].out.mtu, every = 0, 200*ms
			w.run(exploreAgain+5*time.Second, func() bool { return s.mtu.size == MaxDatagram })
		})
	}
}

// TestBlackOutIsNoBlackHole holds that a time without any packets is not taken for one
// without large ones, nor is heavy loss.
func TestBlackOutIsNoBlackHole(t *testing.T) {
	l := link{latency: 20 * ms, loss: .25, down: func(at time.Duration) bool { return at%(10*time.Second) > 6*time.Second }}
	w := newWorld(t, 1, l, l, Config{Probe: true, InitialRTT: 40 * ms})
	s := w.ends[0].s
	n, since, small := 0, time.Duration(0), time.Duration(0)
	for w.now < 2*time.Minute {
		for w.send(0, core.Reliable, n, 1000) == nil {
			n++
		}
		w.step(2 * time.Minute)
		if s.mtu.size == BaseDatagram && w.now > 10*time.Second {
			small += w.now - since
		}
		since = w.now
	}
	if small > 0 || s.mtu.size != MaxDatagram {
		w.fatalf("for %v large packets were given up", small)
	}
}

// TestTooBig holds that what the system refuses is not tried again, and that smaller
// sizes are.
func TestTooBig(t *testing.T) {
	l := link{latency: 20 * ms, mtu: 1400}
	w := newWorld(t, 1, l, l, Config{Probe: true, InitialRTT: 40 * ms})
	e := w.ends[0]
	large := 0
	e.hold = func(payload []byte) bool {
		if len(payload)+e.s.overhead <= 1400 {
			return false
		}
		large++
		e.s.TooBig(w.time(), len(payload))
		return true
	}
	game(w, 16*ms, 100)
	w.run(time.Second, func() bool { return e.s.mtu.size == 1372 })
	if large != 2 {
		w.fatalf("%d packets were too large, want one of 1452 and one of 1444", large)
	}
	// The interface changes, and what has worked does not work any more.
	e.s.TooBig(w.time(), 1372-e.s.overhead)
	if e.s.mtu.size != BaseDatagram {
		w.fatalf("the size is %d", e.s.mtu.size)
	}
	w.ends[0].out.mtu = 1300
	w.run(time.Second, func() bool { return e.s.mtu.size == 1232 })
}

// TestPathChanged holds that a new path starts from the beginning, and that what was on
// its way on the old one says nothing about it.
func TestPathChanged(t *testing.T) {
	l := link{latency: 20 * ms, rate: 1_000_000, queue: 30 * ms}
	w := newWorld(t, 1, l, l, Config{Probe: true, InitialRTT: 40 * ms})
	n := 0
	feed := func() {
		for w.send(0, core.Reliable, n, 1000) == nil {
			n++
		}
	}
	for w.now < 3*time.Second {
		feed()
		w.step(3 * time.Second)
	}
	s := w.ends[0].s
	if s.mtu.size != MaxDatagram || s.cc.window < 2*firstWindow {
		w.fatalf("on the first path: %v", w)
	}
	s.PathChanged(w.time())
	w.ends[0].out.mtu, w.ends[0].out.latency = 1300, 80*ms
	if s.mtu.size != BaseDatagram || s.cc.window != firstWindow || s.Stats().RTT != 0 {
		w.fatalf("right after the change: %v", w)
	}
	w.at(w.now+3*time.Second, func() {
		if rtt := s.Stats().RTT; rtt < 100*ms || rtt > 140*ms {
			w.fatalf("the round trip is estimated at %v", rtt)
		}
	})
	for until := w.now + 10*time.Second; w.now < until; {
		feed()
		w.step(until)
	}
	if s.mtu.size != 1232 {
		w.fatalf("the size is %d", s.mtu.size)
	}
	w.run(20*time.Second, func() bool { return s.Unacked() == 0 })
	for i, id := range w.ends[1].got[core.Reliable] {
		if i != id {
			w.fatalf("got message %d in place of %d", id, i)
		}
	}
}
