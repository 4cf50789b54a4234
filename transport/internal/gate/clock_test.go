package gate

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// The process did not run for a while. What came meanwhile counts.
func TestSuspended(t *testing.T) {
	c, s := between(t)
	for _, e := range []*side{c, s} {
		e.link.handler = e
		e.link.start()
		defer e.link.timer.Stop()
		e.link.timer.Stop()
	}
	s.link.packet(c.take(), clientAddr)
	s.pass(9 * time.Second)
	p := c.send("there") // it came, and waits in the socket
	s.pass(time.Second)
	s.link.at = s.link.now() - 9*time.Second
	s.link.tick()
	if s.ended != nil {
		t.Fatalf("a process that was stopped for 9 seconds holds them against its peer: %v", s.ended)
	}
	s.link.packet(p, clientAddr)
	s.pass(s.link.beat)
	s.link.tick()
	if s.ended != nil {
		t.Fatal(s.ended)
	}
	s.pass(20 * time.Second)
	s.link.at = s.link.now() - 20*time.Second
	s.link.tick()
	s.pass(s.link.beat)
	s.link.tick()
	if s.ended == nil || !errors.Is(s.ended, core.ErrTimeout) {
		t.Errorf("the peer is silent for good, and not lost: %v", s.ended)
	}
}

// Nothing is measured with a clock that people set.
func TestMonotonic(t *testing.T) {
	c, _ := between(t)
	l := listening(t, nil, func([]byte, netip.AddrPort) {})
	defer l.Close()
	for _, born := range []time.Time{c.link.born, l.born} {
		if !strings.Contains(born.String(), " m=") {
			t.Errorf("%v is a time of the wall", born)
		}
	}
}

// A peer that wishes to hear from us all the time does not get its will.
func TestBeat(t *testing.T) {
	for _, c := range []struct{ ours, theirs, want time.Duration }{
		{10 * time.Second, 10 * time.Second, 500 * time.Millisecond},
		{10 * time.Second, 0, fastestBeat},
		{10 * time.Second, time.Millisecond, fastestBeat},
		{2 * time.Second, time.Hour, 500 * time.Millisecond},
		{time.Second, 400 * time.Millisecond, 100 * time.Millisecond},
		{20 * time.Millisecond, time.Second, 5 * time.Millisecond},
	} {
		l, err := newLink(linkConfig{send: make([]byte, 32), idle: c.ours, peerIdle: c.theirs})
		if err != nil || l.beat != c.want {
			t.Errorf("%v here and %v there: says something every %v, %v; want %v", c.ours, c.theirs, l.beat, err, c.want)
		}
	}
}

// The timer of a Link rests between ticks, whatever the Link waits for.
func TestTicksRest(t *testing.T) {
	for _, idle := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, time.Second, 10 * time.Second} {
		for _, heard := range []bool{false, true} {
			for _, moving := range []bool{false, true} {
				c, s := between(t)
				l := c.link
				if moving {
					l, s = s.link, c
				}
				l.idle, l.beat = idle, min(idle/4, slowestBeat)
				l.timer = time.AfterFunc(time.Hour, func() {})
				if heard {
					l.packet(s.send("x"), l.addr)
				}
				ticks, short := 0, 0
				for begin := l.now(); l.state == open && l.now()-begin < 2*idle; ticks++ {
					if moving && ticks%3 == 0 {
						l.packet(s.send("from somewhere else, and of some length for a challenge"), otherAddr)
					}
					l.tick()
					rest := l.at - l.now()
					if short++; rest > time.Millisecond { // two things may be due one behind the other
						short = 0
					}
					if l.state == open && short > 2 {
						t.Fatalf("idle %v, heard %v, moving %v: rests for %v after %v", idle, heard, moving, rest, l.now()-begin)
					}
					l.born = l.born.Add(-max(rest, 0))
				}
				l.timer.Stop()
				if ticks > 200 {
					t.Errorf("idle %v, heard %v, moving %v: %d ticks", idle, heard, moving, ticks)
				}
			}
		}
	}
}
