package arq

import (
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// A loop carries messages between two Sessions with nothing but them in the way: what
// is measured is theirs.
type loop struct {
	tb    testing.TB
	s     [2]*Session
	pn    [2]uint64
	now   time.Time
	lose  int // every so many packets from end 0 one is lost; 0: none
	count int
	bufs  [2][]byte
	dst   []byte
	got   int
}

func newLoop(tb testing.TB, lose int) *loop {
	l := &loop{tb: tb, now: epoch, lose: lose, dst: make([]byte, 0, core.MinReliableSize)}
	for i := range l.s {
		l.s[i] = New(Config{InitialRTT: ms}, epoch)
		l.bufs[i] = make([]byte, MaxDatagram)
	}
	return l
}

func (l *loop) send(from int, d core.Delivery, msg []byte) bool {
	err := l.s[from].Send(l.now, d, msg)
	if err != nil && err != core.ErrBackpressure {
		l.tb.Fatal(err)
	}
	return err == nil
}

// turn lets each end send what it may, and take what has come, and moves time on.
func (l *loop) turn(by time.Duration) {
	for i, s := range l.s {
		for {
			n := s.Next(l.now, l.pn[i], l.bufs[i])
			if n == 0 {
				break
			}
			if l.count++; i == 1 || l.lose == 0 || l.count%l.lose != 0 {
				if err := l.s[1-i].Receive(l.now, l.pn[i], l.bufs[i][:n]); err != nil {
					l.tb.Fatal(err)
				}
			}
			l.pn[i]++
		}
		for {
			msg, ok := l.s[1-i].Recv(l.dst)
			if !ok {
				break
			}
			l.dst = msg[:0]
			l.got++
		}
	}
	l.now = l.now.Add(by)
}

// TestAllocs holds that in a steady state no packet costs an allocation, neither to send
// nor to receive, lost ones included. Memory is looked over every ten seconds, which may
// cost one.
func TestAllocs(t *testing.T) {
	for _, c := range []struct {
		name string
		lose int
		step func(l *loop)
	}{
		{"game", 0, func(l *loop) {
			l.send(0, core.Unreliable, l.dst[:300])
			l.send(1, core.Unreliable, l.dst[:60])
			l.send(0, core.Reliable, l.dst[:40])
			l.turn(16 * ms)
		}},
		{"game, one packet of 7 lost", 7, func(l *loop) {
			l.send(0, core.Unreliable, l.dst[:300])
			l.send(1, core.Unreliable, l.dst[:60])
			l.send(0, core.Reliable, l.dst[:40])
			l.turn(16 * ms)
		}},
		{"bulk", 0, func(l *loop) {
			for l.send(0, core.Reliable, l.dst[:5000]) {
			}
			l.turn(ms)
		}},
		{"bulk, one packet of 20 lost", 20, func(l *loop) {
			for l.send(0, core.Reliable, l.dst[:5000]) {
			}
			l.turn(ms)
		}},
		{"the largest messages", 0, func(l *loop) {
			for l.send(0, core.Reliable, l.dst[:core.MinReliableSize]) {
			}
			l.turn(ms)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLoop(t, c.lose)
			for range few(2000) {
				c.step(l)
			}
			packets, got := l.pn, l.got
			runs := few(200)
			allocs := testing.AllocsPerRun(runs, func() { c.step(l) })
			if n := l.pn[0] + l.pn[1] - packets[0] - packets[1]; n < uint64(runs) || l.got == got {
				t.Fatalf("only %d packets were exchanged, with %d messages", n, l.got-got)
			}
			if allocs != 0 {
				t.Errorf("%v allocations in each step", allocs)
			}
		})
	}
}
