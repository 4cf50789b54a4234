package arq

import (
	"testing"
	"time"
)

// TestWindow walks through slow start, one reduction in a round trip, slow growth, and
// what is restored when the loss was none.
func TestWindow(t *testing.T) {
	const rtt = 20 * ms
	c := newCongestion()
	full := func(n int, at instant) { // n packets arrive from a full window
		for range n {
			c.acked(at, BaseDatagram, c.window, rtt)
		}
	}
	if full(10, 0); c.window != 2*firstWindow {
		t.Fatalf("a round trip of slow start made the window %d", c.window)
	}
	c.acked(0, BaseDatagram, c.window/2-1, rtt)
	if c.window != 2*firstWindow {
		t.Fatalf("a window that is not used grew to %d", c.window)
	}
	c.lost(100*ms, 7, 90*ms, true)
	c.lost(101*ms, 8, 91*ms, true)
	c.lost(102*ms, 9, 100*ms, true)
	if want := 2 * firstWindow * 7 / 10; c.window != want {
		t.Fatalf("three losses of one round trip made the window %d, want %d", c.window, want)
	}
	if full(50, 100*ms); c.window != 2*firstWindow*7/10 {
		t.Fatalf("what was sent before the loss made the window %d", c.window)
	}
	if full(14, 110*ms); c.window != 2*firstWindow*7/10+BaseDatagram {
		t.Fatalf("a round trip later the window is %d", c.window)
	}
	c.late(8)
	if c.window > 2*firstWindow*7/10+BaseDatagram {
		t.Fatalf("a packet that was not the reason made the window %d", c.window)
	}
	c.late(7)
	if c.window != 2*firstWindow || c.threshold != ceiling {
		t.Fatalf("the reason came late, and the window is %d up to %d", c.window, c.threshold)
	}
	c.late(7)
	for i := range instant(100) {
		c.lost(time.Second+i*ms, uint64(i), time.Second+i*ms, true)
	}
	if c.window != floorPackets*BaseDatagram {
		t.Fatalf("a hundred losses made the window %d", c.window)
	}
	for range 1_000_000 {
		c.threshold = ceiling
		full(1, time.Hour)
	}
	if c.window != ceiling {
		t.Fatalf("the window grew to %d", c.window)
	}
}

// TestTolerance holds that one loss in twenty without a queue changes nothing, and that
// one in five does.
func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		every int // packets to a loss
		less  bool
	}{{100, false}, {20, false}, {13, false}, {5, true}, {2, true}} {
		cc := newCongestion()
		cc.window, cc.threshold = 100*BaseDatagram, 100*BaseDatagram
		for i := range 1000 {
			at := instant(i+1) * ms
			if i%c.every == 0 {
				cc.lost(at, uint64(i), at, false)
			} else {
				cc.acked(at, BaseDatagram, 0, 20*ms)
			}
		}
		if less := cc.window < 100*BaseDatagram; less != c.less {
			t.Errorf("one loss in %d packets made a window of %d packets %d", c.every, 100, cc.window/BaseDatagram)
		}
	}
}

// TestFloor holds what may always be in flight.
func TestFloor(t *testing.T) {
	c := newCongestion()
	c.collapse()
	for _, f := range []struct {
		rtt  time.Duration
		want int
	}{
		{0, 4800}, {20 * ms, 4800}, {100 * ms, 6553}, {500 * ms, 32768}, {time.Second, 65536}, {time.Hour, 131072},
	} {
		if got := c.allowed(f.rtt); got != f.want {
			t.Errorf("at a round trip of %v: %d, want %d", f.rtt, got, f.want)
		}
	}
}

// TestPace holds that bursts are bounded and that the rate follows the window.
func TestPace(t *testing.T) {
	const rtt = 100 * ms
	c := newCongestion()
	c.window = 64_000
	now, left := instant(0), 0
	for c.ready(rtt) <= now {
		c.spend(now, BaseDatagram, rtt)
		left++
	}
	if left < 9 || left > 11 {
		t.Fatalf("%d packets left at once", left)
	}
	for now < time.Second {
		next := c.ready(rtt)
		if next <= now {
			t.Fatalf("at %v the next packet may leave at %v", now, next)
		}
		now = next
		c.spend(now, BaseDatagram, rtt)
		left++
	}
	if want := 640_000 * 5 / 4 / BaseDatagram; left < want || left > want+12 {
		t.Fatalf("%d packets left in a second, want about %d", left, want)
	}
	now += time.Hour
	burst := 0
	for ; c.ready(rtt) <= now; burst++ {
		c.spend(now, BaseDatagram, rtt)
	}
	if burst < 9 || burst > 11 {
		t.Fatalf("after an hour %d packets left at once", burst)
	}
	burst = 0
	for c.paced, now = 0, time.Hour; c.ready(50*time.Microsecond) <= now && burst < 1000; burst++ {
		c.spend(now, BaseDatagram, 50*time.Microsecond)
	}
	if burst*BaseDatagram < c.window {
		t.Fatalf("on a loopback only %d packets left at once, less than the window", burst)
	}
}
