package link

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// at is a moment of virtual time.
func at(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }

// read reads a header and the fates it tells.
func read(t testing.TB, p *Packets, b []byte, now time.Time) (seq uint64, acked, lost []uint64) {
	t.Helper()
	r := wire.NewReader(b)
	seq = p.ReadHeader(&r, now,
		func(s uint64) { acked = append(acked, s) }, func(s uint64) { lost = append(lost, s) })
	if err := r.End(); err != nil {
		t.Fatalf("header %x: %v", b, err)
	}
	return seq, acked, lost
}

// TestHeader holds the bytes of headers.
func TestHeader(t *testing.T) {
	ms := func(n int) time.Time { return at(time.Duration(n) * time.Millisecond) }
	for _, c := range []struct {
		name string
		got  []uint64 // packets of the other side that came, in order, 1 ms apart
		want []byte   // of a header 10 ms after the first
	}{
		{"nothing came", nil, []byte{1, 0}},
		{"one came", []uint64{1}, []byte{1, 1, 100, 0}},
		{"all came", []uint64{1, 2, 3}, []byte{1, 3, 80, 1, 0b11}},
		{"the first is missing", []uint64{2}, []byte{1, 2, 100, 1, 0}},
		{"some are missing", []uint64{2, 4, 7}, []byte{1, 7, 80, 1, 0b10100}},
		{"the newest came first", []uint64{4, 1}, []byte{1, 4, 100, 1, 0b100}},
		{"a second byte", []uint64{1, 10}, []byte{1, 10, 90, 2, 0, 1}},
		{"one twice", []uint64{1, 1}, []byte{1, 1, 100, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Packets
			for i, seq := range c.got {
				p.Received(seq, ms(i))
			}
			if got := p.AppendHeader(nil, ms(10)); !bytes.Equal(got, c.want) {
				t.Errorf("the header is %v, want %v", got, c.want)
			}
		})
	}
}

// TestFates holds when a packet is acknowledged and when it is lost: once three
// later ones than it have been overtaken by one that was acknowledged.
func TestFates(t *testing.T) {
	var a, b Packets
	var packets [][]byte
	for range 12 {
		packets = append(packets, a.AppendHeader(nil, at(0)))
	}
	take := func(seq int) {
		t.Helper()
		got, _, _ := read(t, &b, packets[seq-1], at(0))
		if got != uint64(seq) || !b.Received(got, at(0)) {
			t.Fatalf("packet %d was not taken", seq)
		}
	}
	answer := func(acked, lost []uint64) {
		t.Helper()
		_, gotAcked, gotLost := read(t, &a, b.AppendHeader(nil, at(0)), at(0))
		slices.Sort(gotAcked)
		if !slices.Equal(gotAcked, acked) || !slices.Equal(gotLost, lost) {
			t.Errorf("acknowledged %v and lost %v, want %v and %v", gotAcked, gotLost, acked, lost)
		}
	}
	take(1)
	answer([]uint64{1}, nil)
	take(3)
	answer([]uint64{3}, nil) // 2 may be late
	take(5)
	answer([]uint64{5}, nil)
	take(2)
	answer([]uint64{2}, nil) // and it was; now 4 may be
	take(8)
	answer([]uint64{8}, []uint64{4})
	take(4) // too late
	answer(nil, nil)
	take(12)
	answer([]uint64{12}, []uint64{6, 7})
	take(11)
	answer([]uint64{11}, nil)
	answer(nil, nil)
}

// TestUnsent holds that a packet that was not sent is never told of.
func TestUnsent(t *testing.T) {
	var a, b Packets
	for i := range 20 {
		if a.Next() != uint64(i+1) {
			t.Fatalf("the next packet is %d, want %d", a.Next(), i+1)
		}
		a.AppendHeader(nil, at(0))
		a.Unsent()
		packet := a.AppendHeader(nil, at(0))
		seq, _, _ := read(t, &b, packet, at(0))
		b.Received(seq, at(0))
		_, acked, lost := read(t, &a, b.AppendHeader(nil, at(0)), at(0))
		if !slices.Equal(acked, []uint64{uint64(i + 1)}) || lost != nil {
			t.Fatalf("acknowledged %v, lost %v", acked, lost)
		}
	}
}

// TestReceived holds which packets are taken: each once, and none that is a whole
// window older than the newest.
func TestReceived(t *testing.T) {
	for _, c := range []struct {
		name string
		seqs []uint64
		want []bool
	}{
		{"none is numbered 0", []uint64{0}, []bool{false}},
		{"in order", []uint64{1, 2, 3}, []bool{true, true, true}},
		{"twice", []uint64{1, 1, 2, 1, 2}, []bool{true, false, true, false, false}},
		{"late", []uint64{5, 1, 4, 4}, []bool{true, true, true, false}},
		{"the edge of the window", []uint64{window + 1, 2, 1}, []bool{true, true, false}},
		{"a number of the ring anew", []uint64{1, window, window + 1, window + 1}, []bool{true, true, true, false}},
		{"a gap as long as the window", []uint64{1, 2, window + 2, 3, 3}, []bool{true, true, true, true, false}},
		{"a gap far longer", []uint64{3, 1 << 40, 3, 1<<40 - window + 1}, []bool{true, true, false, true}},
		{"the last number", []uint64{1<<64 - 1, 1, 1<<64 - 2}, []bool{true, false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Packets
			for i, seq := range c.seqs {
				if got := p.Received(seq, at(0)); got != c.want[i] {
					t.Errorf("packet %d, the %d. to come: taken is %v, want %v", seq, i+1, got, c.want[i])
				}
			}
		})
	}
}

// TestHostileHeaders holds what a peer cannot say.
func TestHostileHeaders(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"empty", nil},
		{"cut behind the number", []byte{1}},
		{"an acknowledgement of what was never sent", []byte{1, 4, 0, 0}},
		{"no delay", []byte{1, 3}},
		{"a delay of days", []byte{1, 3, 0x81, 0x80, 0x80, 0x80, 0x10, 0}},
		{"no bitmap", []byte{1, 3, 0}},
		{"a bitmap cut short", []byte{1, 3, 0, 2, 1}},
		{"a bitmap too long", append([]byte{1, 3, 0, maxMask + 1}, make([]byte, maxMask+1)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p Packets
			for range 3 {
				p.AppendHeader(nil, at(0))
			}
			r := wire.NewReader(c.bytes)
			told := func(seq uint64) { t.Errorf("packet %d was told of", seq) }
			p.ReadHeader(&r, at(0), told, told)
			if !errors.Is(r.Err(), core.ErrMalformed) {
				t.Errorf("the error is %v", r.Err())
			}
		})
	}
	t.Run("bits before the first packet", func(t *testing.T) {
		var p Packets
		p.AppendHeader(nil, at(0))
		p.AppendHeader(nil, at(0))
		_, acked, lost := read(t, &p, []byte{1, 2, 0, 2, 0xff, 0xff}, at(0))
		slices.Sort(acked)
		if !slices.Equal(acked, []uint64{1, 2}) || lost != nil {
			t.Errorf("acknowledged %v, lost %v", acked, lost)
		}
	})
}

// TestRoundTrip holds that the time a packet lay at the other side does not count.
func TestRoundTrip(t *testing.T) {
	var a, b Packets
	now := at(0)
	for range 50 {
		seq, _, _ := read(t, &b, a.AppendHeader(nil, now), now.Add(30*time.Millisecond))
		b.Received(seq, now.Add(30*time.Millisecond))
		now = now.Add(130 * time.Millisecond) // of which 100 pass there
		answer := b.AppendHeader(nil, now)
		now = now.Add(20 * time.Millisecond)
		seq, _, _ = read(t, &a, answer, now)
		a.Received(seq, now)
	}
	for i, p := range []*Packets{&a, &b} {
		var s Stats
		p.Fill(&s)
		if s.RTT != 50*time.Millisecond || s.RTT != p.RTT() || s.Jitter > time.Millisecond || s.Loss != 0 {
			t.Errorf("from side %d the link is %+v, want a round trip of 50 ms", i, s)
		}
	}
}

// TestSmoothed holds that the measured round trip follows the real one, by an eighth
// of what it is off each time.
func TestSmoothed(t *testing.T) {
	var p Packets
	p.sample(80 * time.Millisecond)
	if p.rtt != 80*time.Millisecond || p.jitter != 40*time.Millisecond {
		t.Errorf("after the first it is %v, jitter %v", p.rtt, p.jitter)
	}
	p.sample(160 * time.Millisecond)
	if p.rtt != 90*time.Millisecond || p.jitter != 50*time.Millisecond {
		t.Errorf("after the second it is %v, jitter %v", p.rtt, p.jitter)
	}
	for range 100 {
		p.sample(20 * time.Millisecond)
	}
	if p.rtt < 20*time.Millisecond || p.rtt > 21*time.Millisecond || p.jitter > time.Millisecond {
		t.Errorf("in the end it is %v, jitter %v", p.rtt, p.jitter)
	}
	p.sample(-time.Hour) // by a delay that a peer made up
	if p.rtt <= 0 {
		t.Errorf("it is %v", p.rtt)
	}
}

// TestLongDelay holds that a header can be read however late it is written.
func TestLongDelay(t *testing.T) {
	var a, b Packets
	a.AppendHeader(nil, at(0))
	b.Received(1, at(0))
	for _, d := range []time.Duration{-time.Hour, 100 * time.Hour, 1000 * time.Hour, 100_000 * time.Hour} {
		r := wire.NewReader(b.AppendHeader(nil, at(d)))
		if a.ReadHeader(&r, at(d), func(uint64) {}, func(uint64) {}); r.End() != nil {
			t.Errorf("after %v: %v", d, r.Err())
		}
	}
}

// TestOverrun holds that packets of which nothing is ever heard count as lost, and
// that what is acknowledged afterwards is told of once.
func TestOverrun(t *testing.T) {
	var a, b Packets
	var last []byte
	for range 3 * window {
		last = a.AppendHeader(nil, at(0))
	}
	var s Stats
	if a.Fill(&s); s.Loss < 0.9 {
		t.Errorf("nothing is heard, and the loss is %v", s.Loss)
	}
	seq, _, _ := read(t, &b, last, at(0))
	b.Received(seq, at(0))
	_, acked, lost := read(t, &a, b.AppendHeader(nil, at(0)), at(0))
	if !slices.Equal(acked, []uint64{3 * window}) {
		t.Errorf("acknowledged %v", acked)
	}
	if len(lost) != window-4 || lost[0] != 2*window+1 || lost[len(lost)-1] != 3*window-4 {
		t.Errorf("%d lost, from %d to %d", len(lost), lost[0], lost[len(lost)-1])
	}
}
