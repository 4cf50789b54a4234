package arq

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// TestVarint holds the examples of RFC 9000, appendix A.1, and the edges of each size.
func TestVarint(t *testing.T) {
	for _, c := range []struct {
		hex string
		v   uint64
	}{
		{"c2197c5eff14e88c", 151_288_809_941_952_652},
		{"9d7f3e7d", 494_878_333},
		{"7bbd", 15_293},
		{"25", 37},
		{"3f", 1<<6 - 1}, {"4040", 1 << 6}, {"7fff", 1<<14 - 1}, {"80004000", 1 << 14},
		{"bfffffff", 1<<30 - 1}, {"c000000040000000", 1 << 30}, {"ffffffffffffffff", maxVarint},
	} {
		b := appendVarint(nil, c.v)
		if got := hex.EncodeToString(b); got != c.hex || len(b) != varintLen(c.v) {
			t.Errorf("%d is written as %s (%d), want %s", c.v, got, varintLen(c.v), c.hex)
		}
		if v, n := readVarint(append(b, 0xff)); v != c.v || n != len(b) {
			t.Errorf("%s is read as %d in %d bytes, want %d", c.hex, v, n, c.v)
		}
		for i := range b {
			if _, n := readVarint(b[:i]); n != 0 {
				t.Errorf("the first %d bytes of %s are read as a number", i, c.hex)
			}
		}
	}
	if v, n := readVarint([]byte{0x40, 0x25}); v != 37 || n != 2 {
		t.Errorf("37 in two bytes is read as %d in %d", v, n)
	}
}

// TestAckFrame holds that what is written of what was seen is what is read, the newest
// of it where there is not room for all.
func TestAckFrame(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var seen spans
		at := []uint64{0, 1<<32 - 50, maxVarint - 1000}[seed%3]
		for range 1 + rng.IntN(maxRanges) {
			from := at + rng.Uint64N(8)
			at = from + 1 + rng.Uint64N(8)
			seen.add(from, at, maxRanges)
			at++
		}
		largest := seen[len(seen)-1].to - 1
		latest := seen[rng.IntN(len(seen))].from
		delay := time.Duration(rng.Int64N(int64(time.Second)))
		limit := rng.Uint64N(maxVarint)
		room := 40 + rng.IntN(100)
		b := appendAck([]byte("x"), room, seen, latest, delay, limit)
		if len(b)-1 > room {
			t.Fatalf("seed %d: %d bytes were written into %d", seed, len(b)-1, room)
		}
		var a ackFrame
		var f frame
		rest, err := f.next(b[1:], &a)
		if err != nil || len(rest) != 0 || f.kind != frameAck {
			t.Fatalf("seed %d: %v, type %d, and %d bytes left", seed, err, f.kind, len(rest))
		}
		if a.largest != largest || a.latest != latest || a.delay != delay.Truncate(time.Microsecond) || a.limit != limit {
			t.Fatalf("seed %d: read %d, %d, %v, %d, want %d, %d, %v, %d", seed, a.largest, a.latest, a.delay, a.limit, largest, latest, delay, limit)
		}
		got := slices.Clone(a.ranges[:a.n])
		slices.Reverse(got)
		if !slices.Equal(spans(got), seen[len(seen)-a.n:]) || a.n < len(seen) && len(b)-1 < room-16 {
			t.Fatalf("seed %d: read %v of %v", seed, got, seen)
		}
	}
	if b := appendAck(nil, 37, spans{{0, 1}}, 0, 0, 0); b != nil {
		t.Errorf("a frame was written into too little room: %x", b)
	}
}

// payloads that no peer may send, and what the error says about them.
var malformed = []struct {
	name, hex, says string
}{
	{"unknown type", "05", "unknown type 5"},
	{"unknown type after a good frame", "0105", "unknown type 5"},
	{"unknown type, the highest", "ff", "unknown type 255"},
	{"DATA without offset", "03", "DATA"},
	{"DATA with half an offset", "0380", "DATA"},
	{"DATA without length", "0300", "DATA"},
	{"DATA of no bytes", "030000", "DATA"},
	{"DATA cut off", "030002aa", "DATA"},
	{"DATA longer than any packet", "0300bfffffffaa", "DATA"},
	{"DATA longer than memory", "0300ffffffffffffffffaa", "DATA"},
	{"DATA beyond the end of all streams", "03ffffffffffffffff02aaaa", "DATA"},
	{"DATA beyond the window", "03800600000101", "may send those below 393216"},
	{"DATA far beyond the window", "03ffffffffffffff0001aa", "may send those below"},
	{"DATA of a message that is too long", "030004" + "80040001", "more than 262144 bytes"},
	{"DATA of a message longer than memory", "030008" + "ffffffffffffffff", "more than 262144 bytes"},
	{"the same, of which only one byte came", "030001" + "c0", "more than 262144 bytes"},
	{"DATAGRAM without length", "04", "DATAGRAM"},
	{"DATAGRAM cut off", "0402aa", "DATAGRAM"},
	{"DATAGRAM longer than memory", "04ffffffffffffffffaa", "DATAGRAM"},
	{"ACK without anything", "02", "ACK"},
	{"ACK cut off before its limit", "02050000", "ACK"},
	{"ACK cut off before its count", "0205000000", "ACK"},
	{"ACK cut off before its range", "020500000000", "ACK"},
	{"ACK cut off before its second range", "02050000000100", "ACK"},
	{"ACK cut off in its second range", "0205000000010000", "ACK"},
	{"ACK of less than zero", "02050000000006", "ACK"},
	{"ACK of the latest below zero", "02050600000000", "ACK"},
	{"ACK with a gap below zero", "020500000001000400", "ACK"},
	{"ACK with a range below zero", "020500000001000004", "ACK"},
	{"ACK with 33 ranges", "02404500" + "00" + "00" + "20" + "00" + strings.Repeat("0000", 32), "ACK"},
	{"ACK with ranges without number", "0205000000" + "ffffffffffffffff" + "00", "ACK"},
	{"ACK of what was not sent", "02060000000000", "packet 6, which was not sent"},
	{"ACK of all that can be", "02ffffffffffffffff00000000ffffffffffffffff", "which was not sent"},
	{"ACK of what was left out", "02050000000005", "of which one was never sent"},
	{"two ACKs", "02050000000000" + "02050000000000", "two ACK frames"},
}

// TestMalformed holds that each of them ends the matter with an error of the right
// kind, that nothing of it counts, and that no other payload counts afterwards.
func TestMalformed(t *testing.T) {
	for _, c := range malformed {
		t.Run(c.name, func(t *testing.T) {
			payload, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			// In front of it stands a message, and for what is wrong in its second
			// half, nothing else.
			payload = append(appendDatagramHeader(nil, 2), append([]byte("hi"), payload...)...)
			s := sender(t)
			err = s.Receive(epoch, 0, payload)
			if !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "arq: the peer ") {
				t.Fatalf("%s gives %v, want an error that says %q", c.hex, err, c.says)
			}
			if !strings.Contains(c.name, "message") && !strings.Contains(c.name, "came") {
				if msg, ok := s.Recv(nil); ok {
					t.Errorf("a message of the packet counts: %q", msg)
				}
			}
			if s.Unacked() == 0 {
				t.Error("an acknowledgement in it counts")
			}
			if again := s.Receive(epoch, 1, []byte{framePing}); again != err {
				t.Errorf("afterwards Receive returns %v", again)
			}
			if d := s.acks.due; d != never {
				t.Errorf("it is to be acknowledged at %v", d)
			}
		})
	}
}

// sender returns a Session that has sent packets 3 and 5, with a message in each.
func sender(t testing.TB) *Session {
	s := New(Config{}, epoch)
	buf := make([]byte, MaxDatagram)
	for _, pn := range []uint64{3, 5} {
		if err := s.Send(epoch, core.Reliable, []byte("message")); err != nil {
			t.Fatal(err)
		}
		if s.Next(epoch, pn, buf) == 0 {
			t.Fatal("nothing was sent")
		}
	}
	return s
}

// TestWellFormed holds that what stands at the edges of what is allowed is allowed.
func TestWellFormed(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		unacked   int
	}{
		{"nothing", "", 16},
		{"padding", "000000", 16},
		{"padding around", "0001000000", 16},
		{"an empty DATAGRAM", "0400", 16},
		{"numbers longer than needed", "044000" + "01", 16},
		{"the last byte of the window", "038005ffff01aa", 16},
		{"a message of the largest size begins", "030004" + "80040000", 16},
		{"ACK of the first", "02030000000000", 8},
		{"ACK of the second", "02050000000000", 16},
		{"ACK of both", "02050000000100" + "0000", 0},
		{"ACK with another order", "02050200000100" + "0000", 0},
		{"ACK with the longest delay", "020500ffffffffffffffff000000", 16},
		{"ACK with a lower limit", "02050000000000", 16},
		{"ACK with the highest limit", "02050000ffffffffffffffff0000", 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload, err := hex.DecodeString(c.hex)
			if err != nil {
				t.Fatal(err)
			}
			s := sender(t)
			if err := s.Receive(epoch, 9, payload); err != nil {
				t.Fatalf("%s gives %v", c.hex, err)
			}
			if acks := len(s.acks.seen) > 0; acks != (len(payload) > 0) {
				t.Errorf("after %q the packet is acknowledged: %v", c.hex, acks)
			}
			if s.Unacked() != c.unacked {
				t.Errorf("after %s %d bytes are not acknowledged, want %d", c.hex, s.Unacked(), c.unacked)
			}
		})
	}
	s := New(Config{}, epoch)
	if err := s.Receive(epoch, maxVarint+1, []byte{framePing}); !errors.Is(err, core.ErrMalformed) {
		t.Errorf("a packet number that no ACK can hold gives %v", err)
	}
}

// TestFramesCut holds that every prefix of a good payload is refused or is good too, and
// that the payload is left as it was.
func TestFramesCut(t *testing.T) {
	var b []byte
	b = appendAck(b, 100, spans{{1, 3}, {5, 9}, {300, 70_000}}, 299, 77*time.Millisecond, 1<<40)
	b = appendPing(b)
	b = append(appendDataHeader(b, 1<<31, 3), "abc"...)
	b = append(appendDatagramHeader(b, 70), bytes.Repeat([]byte("d"), 70)...)
	kept := bytes.Clone(b)
	for n := range len(b) {
		var a ackFrame
		var f frame
		var err error
		for rest := b[:n]; len(rest) > 0 && err == nil; {
			rest, err = f.next(rest, &a)
		}
		if err != nil && !errors.Is(err, core.ErrMalformed) {
			t.Fatalf("the first %d bytes give %v", n, err)
		}
	}
	if !bytes.Equal(b, kept) {
		t.Fatal("the payload was changed")
	}
}
