package arq

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// a pair is two Sessions whose packets arrive at once, unless a test takes them away.
type pair struct {
	t    testing.TB
	s    [2]*Session
	pn   [2]uint64
	now  time.Time
	drop [2]bool // packets from there get lost
	buf  []byte
}

func newPair(t testing.TB) *pair {
	p := &pair{t: t, now: epoch, buf: make([]byte, MaxDatagram)}
	for i := range p.s {
		p.s[i] = New(Config{InitialRTT: ms}, epoch)
	}
	return p
}

func (p *pair) send(from int, d core.Delivery, msg []byte) error {
	return p.s[from].Send(p.now, d, msg)
}

// exchange carries packets until nobody has one.
func (p *pair) exchange() (packets int) {
	for quiet := 0; quiet < 2; {
		quiet++
		for i, s := range p.s {
			for n := s.Next(p.now, p.pn[i], p.buf); n > 0; n = s.Next(p.now, p.pn[i], p.buf) {
				quiet = 0
				packets++
				if !p.drop[i] {
					if err := p.s[1-i].Receive(p.now, p.pn[i], p.buf[:n]); err != nil {
						p.t.Fatal(err)
					}
				}
				p.pn[i]++
			}
		}
	}
	return packets
}

// pass lets time pass, and packets with it.
func (p *pair) pass(d time.Duration) (packets int) {
	for until := p.now.Add(d); ; {
		next := until
		for _, s := range p.s {
			if d := s.Deadline(); !d.IsZero() && d.Before(next) {
				next = d
			}
		}
		if next.After(p.now) {
			p.now = next
		}
		packets += p.exchange()
		if !p.now.Before(until) {
			return packets
		}
	}
}

func (p *pair) all(to int) (msgs []string) {
	for {
		msg, ok := p.s[to].Recv(nil)
		if !ok {
			return msgs
		}
		msgs = append(msgs, string(msg))
	}
}

// TestSend holds the errors of Send, and that nothing arrives of a message that it refused.
func TestSend(t *testing.T) {
	p := newPair(t)
	var large *core.TooLargeError
	for d, most := range map[core.Delivery]int{core.Unreliable: 1168, core.Reliable: 256 << 10} {
		if got := p.s[0].MaxSize(d); got != most {
			t.Errorf("MaxSize of %s is %d, want %d", d, got, most)
		}
		if err := p.send(0, d, make([]byte, most+1)); !errors.As(err, &large) || *large != (core.TooLargeError{Size: most + 1, Max: most, Delivery: d}) {
			t.Errorf("a %s message of %d bytes gives %v", d, most+1, err)
		}
		if err := p.send(0, d, make([]byte, most)); err != nil {
			t.Errorf("a %s message of %d bytes gives %v", d, most, err)
		}
	}
	if err := p.send(0, 2, nil); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("a delivery that is none gives %v", err)
	}
	for _, size := range []int{0, 1, 63, 64, 16383, 16384, 100_000} {
		if err := p.send(0, core.Reliable, bytes.Repeat([]byte{'x'}, size)); err != nil {
			t.Fatal(err)
		}
	}
	full := 0
	for ; ; full++ {
		if err := p.send(0, core.Reliable, make([]byte, 5000)); err != nil {
			if err != core.ErrBackpressure {
				t.Fatal(err)
			}
			break
		}
	}
	if un := p.s[0].Unacked(); un > maxQueue || un < maxQueue-5004 {
		t.Errorf("with a full queue Unacked is %d", un)
	}
	if err := p.send(0, core.Reliable, make([]byte, 100)); err != nil && p.s[0].Unacked() < maxQueue-104 {
		t.Errorf("a small message that has room gives %v", err)
	} else if err == nil {
		full++
	}
	var sizes []int
	for range 10 {
		p.pass(100 * ms)
		for _, msg := range p.all(1) {
			sizes = append(sizes, len(msg))
		}
	}
	want := []int{1168, 256 << 10, 0, 1, 63, 64, 16383, 16384, 100_000}
	for i, n := range want[1:] { // the Unreliable one came as the first
		if !slices.Contains(sizes[:3], 1168) || sizes[slices.Index(sizes, 256<<10)+i] != n {
			t.Fatalf("received messages of %d bytes, want %d", sizes[:12], want)
		}
	}
	if len(sizes) != len(want)+full {
		t.Errorf("%d messages came, want %d", len(sizes), len(want)+full)
	}
	if p.s[0].Unacked() != 0 {
		t.Errorf("in the end Unacked is %d", p.s[0].Unacked())
	}
}

// TestBufferIsCallers holds that nobody keeps a slice of somebody else's.
func TestBufferIsCallers(t *testing.T) {
	p := newPair(t)
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		msg := []byte("the message")
		if err := p.send(0, d, msg); err != nil {
			t.Fatal(err)
		}
		clear(msg)
		n := p.s[0].Next(p.now, p.pn[0], p.buf)
		if err := p.s[1].Receive(p.now, p.pn[0], p.buf[:n]); err != nil {
			t.Fatal(err)
		}
		p.pn[0]++
		clear(p.buf)
		dst := make([]byte, 3, 64)
		got, ok := p.s[1].Recv(dst)
		if !ok || string(got) != "the message" {
			t.Errorf("%s: received %q", d, got)
		}
		if &got[0] != &dst[0] {
			t.Errorf("%s: a new array was made though dst has room", d)
		}
		if _, ok := p.s[1].Recv(got); ok {
			t.Errorf("%s: received twice", d)
		}
	}
}

// TestFresh holds what waits of Unreliable messages while none can leave: the newest, for
// a short time.
func TestFresh(t *testing.T) {
	for _, c := range []struct {
		name       string
		size, n    int
		wait       time.Duration // after the last
		arrive     int
		everyOther time.Duration // between them
	}{
		{"few", 100, 10, 0, 10, 0},
		{"many", 100, 200, 0, maxMessages, 0},
		{"empty", 0, 200, 0, maxMessages, 0},
		{"large", 1168, 200, 0, maxMessageBytes / 1168, 0},
		{"young", 100, 10, maxMessageAge, 10, 0},
		{"old", 100, 10, maxMessageAge + 1, 0, 0},
		{"half of them old", 100, 20, 5 * ms, 10, 5 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			s := p.s[0]
			s.cc.tokens, s.cc.window = -1e9, 0 // nothing can leave
			for i := range c.n {
				p.now = p.now.Add(c.everyOther)
				msg := fmt.Appendf(nil, "%03d", i)
				if c.size == 0 {
					msg = nil
				} else {
					msg = append(msg, make([]byte, c.size-3)...)
				}
				if err := p.send(0, core.Unreliable, msg); err != nil {
					t.Fatal(err)
				}
				p.exchange()
			}
			if st := s.Stats(); st.MessagesSent != 0 || st.Queued > maxMessageBytes {
				t.Fatalf("while none can leave: %+v", st)
			}
			p.now = p.now.Add(c.wait)
			s.cc = newCongestion()
			s.cc.window, s.cc.tokens, s.cc.paced = 1<<20, 1<<20, s.clock(p.now)
			p.exchange()
			msgs := p.all(1)
			if len(msgs) != c.arrive {
				t.Fatalf("%d of %d messages arrived, want %d", len(msgs), c.n, c.arrive)
			}
			for i, msg := range msgs {
				if want := fmt.Sprintf("%03d", c.n-c.arrive+i); c.size > 0 && msg[:3] != want {
					t.Errorf("message %s arrived in place of %s", msg[:3], want)
				}
			}
			st := s.Stats()
			if int(st.Dropped) != c.n-c.arrive || int(st.MessagesSent) != c.arrive || st.Queued != 0 || int(st.BytesSent) != c.arrive*c.size {
				t.Errorf("in the end: %+v", st)
			}
		})
	}
}

// TestTaken holds what is kept of Unreliable messages that the program does not take: the
// newest; and that it takes both deliveries by turns.
func TestTaken(t *testing.T) {
	p := newPair(t)
	for i := range 200 {
		p.now = p.now.Add(ms)
		if err := p.send(0, core.Unreliable, fmt.Appendf(nil, "u%03d", i)); err != nil {
			t.Fatal(err)
		}
		if i < 30 {
			if err := p.send(0, core.Reliable, fmt.Appendf(nil, "r%03d", i)); err != nil {
				t.Fatal(err)
			}
		}
		p.exchange()
	}
	msgs := p.all(1)
	if len(msgs) != maxMessages+30 {
		t.Fatalf("%d messages were kept", len(msgs))
	}
	next := map[byte]int{'u': 200 - maxMessages, 'r': 0}
	for i, msg := range msgs {
		kind := msg[0]
		if want := fmt.Sprintf("%c%03d", kind, next[kind]); msg != want {
			t.Fatalf("%s came in place of %s", msg, want)
		}
		if next[kind]++; i > 0 && i < 60 && msgs[i-1][0] == kind {
			t.Fatalf("%s came behind %s, though one of the other delivery was waiting", msg, msgs[i-1])
		}
	}
	if st := p.s[1].Stats(); st.MessagesRecv != uint64(len(msgs)) || st.BytesRecv != uint64(4*len(msgs)) || st.MessagesSent != 0 {
		t.Errorf("%+v", st)
	}
}

// TestCounters holds that nothing happens where counters of 32 bits end, and that a
// stream ends, with an error, before its offsets do.
func TestCounters(t *testing.T) {
	for _, start := range []uint64{1<<32 - 100_000, 1<<62 - 1<<19} {
		p := newPair(t)
		for i, s := range p.s {
			for _, b := range []*buffer{&s.in.buf, &s.out.buf, &s.taken.buf, &s.fresh.buf} {
				b.base, b.top = start, start
			}
			s.in.have, s.in.next = start, start
			s.out.next, s.out.end, s.out.limit = start, start, start+window
			s.taken.end, s.fresh.end = start, start
			p.pn[i] = start
		}
		sent, got, end := 0, 0, false
		for range 500 {
			msg := fmt.Appendf(nil, "%d%02000d", sent, 0)
			switch err := p.send(0, core.Reliable, msg); err {
			case nil:
				sent++
			case core.ErrBackpressure:
				end = true
			default:
				t.Fatal(err)
			}
			if err := p.send(0, core.Unreliable, msg[:10]); err != nil {
				t.Fatal(err)
			}
			p.pass(20 * ms)
			for _, msg := range p.all(1) {
				if len(msg) == 10 {
					continue
				}
				if want := fmt.Sprintf("%d%02000d", got, 0); msg != want {
					t.Fatalf("from %d on: message %d is %.10q", start, got, msg)
				}
				got++
			}
		}
		if limit := p.s[1].in.limit(); limit > maxVarint {
			t.Errorf("from %d on: the limit is %d, which no ACK frame can hold", start, limit)
		}
		if got != sent || p.s[0].Unacked() != 0 {
			t.Errorf("from %d on: %d of %d messages came", start, got, sent)
		}
		if end != (start > 1<<40) || end && sent < (1<<19)/2010 {
			t.Errorf("from %d on: %d messages were taken, and then the stream ended: %v", start, sent, end)
		}
	}
	s := New(Config{}, epoch)
	if err := s.Send(epoch, core.Reliable, nil); err != nil {
		t.Fatal(err)
	}
	for _, pn := range []uint64{maxVarint + 1, 1<<64 - 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Next takes the packet number %d", pn)
				}
			}()
			s.Next(epoch, pn, make([]byte, MaxDatagram))
		}()
	}
	if s.Next(epoch, maxVarint, make([]byte, MaxDatagram)) == 0 {
		t.Error("the last packet number is not taken")
	}
}

// TestClock holds that a clock that stands still, or is read out of order, harms nothing.
func TestClock(t *testing.T) {
	p := newPair(t)
	for i := range 1000 {
		if i%3 == 0 {
			p.now = p.now.Add(-50 * ms)
		} else {
			p.now = p.now.Add(30 * ms)
		}
		if err := p.send(i%2, core.Reliable, []byte("tick")); err != nil {
			t.Fatal(err)
		}
		p.exchange()
		for _, s := range p.s {
			if s.rtt.smoothed < 0 || s.rtt.smoothed > 20*ms {
				t.Fatalf("the round trip is estimated at %v", s.rtt.smoothed)
			}
			if err := s.sound(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(p.all(0)) + len(p.all(1)); n != 1000 {
		t.Errorf("%d of 1000 messages came", n)
	}
}

// TestConfig holds the defaults, and that an overhead which leaves too little is refused.
func TestConfig(t *testing.T) {
	for overhead, most := range map[int]int{0: 1168, 29: 1168, 1: 1196, maxOverhead: core.MinUnreliableSize} {
		s := New(Config{Overhead: overhead}, epoch)
		if got := s.MaxSize(core.Unreliable); got != most {
			t.Errorf("with an overhead of %d, MaxSize is %d, want %d", overhead, got, most)
		}
		if err := s.Send(epoch, core.Unreliable, make([]byte, most)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, MaxDatagram)
		if n := s.Next(epoch, 0, buf); n > BaseDatagram-overhead || n < most+3 {
			t.Errorf("with an overhead of %d the largest message makes a payload of %d bytes", overhead, n)
		}
	}
	for _, overhead := range []int{-1, maxOverhead + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("an overhead of %d was taken", overhead)
				}
			}()
			New(Config{Overhead: overhead}, epoch)
		}()
	}
}
