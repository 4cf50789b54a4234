package arq

import (
	"slices"
	"testing"
	"time"
)

// TestAckTiming holds when an acknowledgement is due: at once where a resend may hang on
// it, and soon enough everywhere.
func TestAckTiming(t *testing.T) {
	type packet struct {
		at   time.Duration
		pn   uint64
		asks int
	}
	run := func(asks int, pns ...uint64) (p []packet) {
		for _, pn := range pns {
			p = append(p, packet{0, pn, asks})
		}
		return p
	}
	count := func(n int) (pns []uint64) {
		for i := range n {
			pns = append(pns, uint64(i))
		}
		return pns
	}
	for _, c := range []struct {
		name    string
		packets []packet
		due     time.Duration
	}{
		{"nothing", nil, never},
		{"an acknowledgement", run(asksNothing, 0), never},
		{"acknowledgements with a gap", run(asksNothing, 0, 5, 3), never},
		{"one DATA", run(asksSoon, 0), dataAckDelay},
		{"two DATA", run(asksSoon, 0, 1), 0},
		{"one DATA behind a gap", run(asksSoon, 1), dataAckDelay}, // the first packet of all
		{"DATA, and more behind a gap", []packet{{0, 0, asksNothing}, {5 * ms, 2, asksSoon}}, 5 * ms},
		{"DATA, overtaken", []packet{{0, 7, asksNothing}, {5 * ms, 2, asksSoon}}, 5 * ms},
		{"a second DATA later", []packet{{0, 0, asksSoon}, {4 * ms, 1, asksSoon}}, 4 * ms},
		{"PING", run(asksNow, 0), 0},
		{"one DATAGRAM", run(asksSometime, 0), datagramAckDelay},
		{"fifteen DATAGRAM", run(asksSometime, count(15)...), datagramAckDelay},
		{"sixteen DATAGRAM", run(asksSometime, count(16)...), 0},
		{"DATAGRAM behind a gap", []packet{{0, 0, asksNothing}, {5 * ms, 2, asksSometime}}, 5*ms + dataAckDelay},
		{"DATAGRAM, overtaken", []packet{{0, 7, asksNothing}, {5 * ms, 2, asksSometime}}, 5*ms + datagramAckDelay},
		{"DATA before DATAGRAM", []packet{{0, 0, asksSoon}, {5 * ms, 1, asksSometime}}, dataAckDelay},
		{"DATA behind DATAGRAM", []packet{{0, 0, asksSometime}, {95 * ms, 1, asksSoon}}, 100 * ms},
	} {
		a := acks{due: never}
		for _, p := range c.packets {
			a.received(p.at, p.pn, p.asks)
		}
		if a.due != c.due {
			t.Errorf("%s: due at %v, want %v", c.name, a.due, c.due)
		}
		if a.sent(0); a.due != never || a.data != 0 || a.datagram != 0 {
			t.Errorf("%s: after an ACK left %+v", c.name, a)
		}
	}
}

// TestAcksBounded holds that the newest runs are remembered, and that what the peer knows
// is forgotten.
func TestAcksBounded(t *testing.T) {
	a := acks{due: never}
	for pn := uint64(10); pn < 10+3*maxRanges; pn += 2 {
		a.received(0, pn, asksSoon)
	}
	if len(a.seen) != maxRanges || a.seen[maxRanges-1].from != 10+3*maxRanges-2 {
		t.Fatalf("%d runs are remembered: %v", len(a.seen), a.seen)
	}
	before := slices.Clone(a.seen)
	if a.received(0, 3, asksSoon); !slices.Equal(a.seen, before) || a.latest == 3 {
		t.Errorf("a packet older than all of them counts: %v", a)
	}
	if a.received(0, a.seen[0].to, asksSoon); len(a.seen) != maxRanges-1 {
		t.Errorf("a packet that closes a gap left %v", a.seen)
	}
	a = acks{due: never, seen: spans{{3, 5}, {7, 12}, {20, 30}}}
	a.forget(8)
	if want := (spans{{9, 12}, {20, 30}}); !slices.Equal(a.seen, want) {
		t.Errorf("%v are left, want %v", a.seen, want)
	}
	a.forget(1000)
	if want := (spans{{29, 30}}); !slices.Equal(a.seen, want) {
		t.Errorf("%v are left, want %v: a frame has at least one number", a.seen, want)
	}
}
