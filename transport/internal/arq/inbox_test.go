package arq

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// TestReceiveWindow holds that a program that does not take its messages stops the peer and
// nothing else, and that the peer goes on when it does, even if that news gets lost.
func TestReceiveWindow(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("update lost: ", lost), func(t *testing.T) {
			p := newPair(t)
			const size = 10_000
			n := 0
			for p.send(0, core.Reliable, make([]byte, size)) == nil {
				n++
			}
			p.pass(2 * time.Second)
			if out := p.s[0].out; out.next != window || out.buf.base != window {
				t.Fatalf("the peer takes nothing, and %d bytes have left, %d have arrived", out.next, out.buf.base)
			}
			if got := p.s[0].Stats().Queued; got != p.s[0].Unacked() || got < maxQueue-window-size-3 {
				t.Errorf("Queued is %d", got)
			}
			if err := p.send(0, core.Unreliable, []byte("fresh")); err != nil {
				t.Fatal(err)
			}
			if p.exchange(); p.s[1].taken.queue.n != 1 {
				t.Error("an Unreliable message does not get through")
			}
			// Now it asks whether the limit has been raised, once a second at last.
			if packets := p.pass(60 * time.Second); packets < 2*58 || packets > 2*75 {
				t.Errorf("in a minute of waiting %d packets were exchanged", packets)
			}
			if since := p.now.Sub(p.s[0].StalledSince()); since < 60*time.Second || since > 62*time.Second {
				t.Errorf("it has been stalled for %v", since)
			}
			got := len(p.all(1)) - 1
			p.drop[1] = lost
			p.exchange()
			p.drop[1] = false
			if before := p.s[0].out.limit; lost != (before == window) {
				t.Fatalf("the limit is %d", before)
			}
			for range 10 {
				p.pass(1100 * ms)
				got += len(p.all(1))
			}
			if p.s[0].asked != 0 {
				t.Errorf("the limit was raised, and it has asked %d times in vain", p.s[0].asked)
			}
			if got != n || p.s[0].Unacked() != 0 || !p.s[0].StalledSince().IsZero() {
				t.Errorf("%d of %d messages came, %d bytes are not acknowledged", got, n, p.s[0].Unacked())
			}
		})
	}
}

// TestPieces holds that a packet with a piece that cannot be kept is not acknowledged.
func TestPieces(t *testing.T) {
	s := New(Config{}, epoch)
	pn := uint64(0)
	put := func(off uint64) {
		if err := s.Receive(epoch, pn, append(appendDataHeader(nil, off, 1), 0)); err != nil {
			t.Fatal(err)
		}
		pn++
	}
	for i := range uint64(maxPieces) {
		put(1 + 2*i)
	}
	acked := s.acks.seen[len(s.acks.seen)-1].to
	put(1 + 2*maxPieces)
	if got := s.acks.seen[len(s.acks.seen)-1].to; got != acked {
		t.Errorf("the packet with the piece that is one too many is acknowledged: %v", s.acks.seen)
	}
	put(2) // joins two
	put(1 + 2*maxPieces)
	if got := s.acks.seen[len(s.acks.seen)-1].to; got != acked+3 {
		t.Errorf("there is room again, and %v is acknowledged", s.acks.seen)
	}
	put(0)
	if s.in.have != 4 || s.in.ready != 4 {
		t.Errorf("%d bytes have come without a hole, %d messages of no bytes", s.in.have, s.in.ready)
	}
}

// TestFirstCounts holds that of a byte that is sent twice with other contents, the first
// counts that came in order.
func TestFirstCounts(t *testing.T) {
	s := New(Config{}, epoch)
	for i, c := range []struct {
		off  uint64
		data string
	}{{0, "\x05ab"}, {0, "\x01XYZ"}, {5, "e"}, {1, "QQQQE\x01f"}} {
		if err := s.Receive(epoch, uint64(i), append(appendDataHeader(nil, c.off, len(c.data)), c.data...)); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for msg, ok := s.Recv(nil); ok; msg, ok = s.Recv(nil) {
		got = append(got, string(msg))
	}
	if want := []string{"abZQE", "f"}; !slices.Equal(got, want) {
		t.Errorf("received %q, want %q", got, want)
	}
}
