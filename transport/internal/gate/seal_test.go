package gate

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// recorded remembers each key and number that a test seals under.
type recorded struct {
	t    testing.TB
	mu   sync.Mutex
	seen map[[32]byte]map[uint64]bool
	n    int
}

// recording checks, until the test ends, that no number is used twice with a key.
func recording(t testing.TB) *recorded {
	r := &recorded{t: t, seen: make(map[[32]byte]map[uint64]bool)}
	record = r.add
	t.Cleanup(func() { record = nil })
	return r
}

func (r *recorded) add(secret []byte, pn uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := sha256.Sum256(secret)
	if r.seen[k] == nil {
		r.seen[k] = make(map[uint64]bool)
	}
	if r.seen[k][pn] {
		r.t.Errorf("number %d was used twice with one key", pn)
	}
	r.seen[k][pn] = true
	r.n++
}

// Nothing of a sealed packet can be changed, and trying leaves no trace.
func TestEveryBit(t *testing.T) {
	for name, make := range map[string]func(*side) []byte{
		"payload": func(s *side) []byte { return s.send("a payload of some bytes") },
		"control": func(s *side) []byte { return s.control(opPing) },
		"close":   func(s *side) []byte { return s.control(opClose, goodbye(core.CodeKicked, "go")...) },
	} {
		t.Run(name, func(t *testing.T) {
			c, s := between(t)
			for range 5 { // so that there are numbers around
				s.link.packet(c.send("before"), clientAddr)
			}
			s.got = nil
			p := make(c)
			refuse := func(what string, p []byte) {
				t.Helper()
				if s.link.packet(p, clientAddr) {
					t.Errorf("%s was accepted", what)
				}
			}
			for i := range len(p) * 8 {
				q := bytes.Clone(p)
				q[i/8] ^= 1 << (i % 8)
				refuse(fmt.Sprintf("bit %d flipped", i), q)
			}
			for n := range len(p) {
				refuse(fmt.Sprintf("%d of %d bytes", n, len(p)), bytes.Clone(p[:n]))
			}
			refuse("one byte more", append(bytes.Clone(p), 0))
			refuse("twice", append(bytes.Clone(p), p...))
			if c.link.packet(bytes.Clone(p), serverAddr) {
				t.Error("it was accepted by who sent it")
			}
			if len(s.got) != 0 || s.ended != nil || len(s.out) != 0 {
				t.Errorf("it had effects: %q, %v, %d packets", s.got, s.ended, len(s.out))
			}
			if !s.link.packet(bytes.Clone(p), clientAddr) {
				t.Fatal("the packet itself was refused")
			}
			refuse("the same again", bytes.Clone(p))
		})
	}
}

// Around the borders of 32 bits numbers are found by their low half, in any order.
func TestNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, first := range []uint64{0, 1<<32 - 40, 1<<33 - 1, 1<<60 - lastWords - 200} {
		t.Run(fmt.Sprintf("from %d", first), func(t *testing.T) {
			c, s := between(t)
			c.link.out.next, c.link.out.from = first, first
			c.link.skip = first + 7
			if first > 0 {
				s.link.in.window.mark(first - 1)
			}
			for range 20 {
				var packets [][]byte
				for i := range 5 {
					packets = append(packets, c.send(fmt.Sprint(i)))
				}
				rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
				for _, p := range packets {
					again := bytes.Clone(p)
					if !s.link.packet(p, clientAddr) {
						t.Fatal("refused")
					}
					if s.link.packet(again, clientAddr) {
						t.Fatal("accepted twice")
					}
				}
			}
			if len(s.got) != 100 {
				t.Errorf("%d of 100 arrived", len(s.got))
			}
		})
	}
}

// What is behind the window is refused, what is in it is not.
func TestWindow(t *testing.T) {
	c, s := between(t)
	c.link.skip = 1 << 40
	var packets [][]byte
	for i := range 3 * windowSize {
		packets = append(packets, c.send(fmt.Sprint(i)))
	}
	last := len(packets) - 1
	if !s.link.packet(packets[last], clientAddr) {
		t.Fatal("refused")
	}
	for i := range last {
		if got, want := s.link.packet(packets[i], clientAddr), last-i < windowSize; got != want {
			t.Fatalf("%d behind the newest: accepted %v", last-i, got)
		}
	}
}

// Numbers that ran out, and keys that cannot be changed any more, end the Link in
// words. It does not fall silent.
func TestUsedUp(t *testing.T) {
	for name, c := range map[string]func(*Link){
		"numbers": func(l *Link) { l.out.next = lastNumber - lastWords - 3; l.out.from = l.out.next },
		"key":     func(l *Link) { l.out.next = keyPackets - lastWords - 3; l.out.since = l.now() },
	} {
		t.Run(name, func(t *testing.T) {
			k, s := between(t)
			c(k.link)
			k.link.skip = 1 << 62
			k.link.out.rest = time.Hour
			s.link.in.window.mark(k.link.out.next - 1)
			sent := 0
			for p := k.send("x"); p != nil; p = k.send("x") {
				if !s.link.packet(p, clientAddr) {
					t.Fatal("refused")
				}
				if sent++; sent > 10 {
					t.Fatal("it goes on")
				}
			}
			k.link.tick()
			if k.ended == nil || k.ended.Code != core.CodeInternal || !errors.Is(k.ended, core.ErrClosed) {
				t.Fatalf("ended with %v", k.ended)
			}
			s.link.packet(k.take(), clientAddr)
			if s.ended == nil || s.ended.Code != core.CodeInternal || !s.ended.Remote {
				t.Errorf("the peer was told %v", s.ended)
			}
			k.link.mu.Lock()
			for range 2 * lastWords { // however much it is asked
				k.link.control(k.link.addr, opBeat, nil, 0)
			}
			k.link.mu.Unlock()
			if k.link.out.next > lastNumber || k.link.out.next-k.link.out.from > keyPackets {
				t.Errorf("number %d was used", k.link.out.next-1)
			}
		})
	}
}

// A number is left out now and then, also where control packets come between.
func TestSkips(t *testing.T) {
	c, _ := between(t)
	skipped, next := 0, c.link.out.next
	for range 20 * skipWithin {
		c.send("x")
		if skipped += int(c.link.out.next - next - 1); c.link.out.next-next > 2 {
			t.Fatal("more than one was left out")
		}
		c.control(opBeat)
		next = c.link.out.next
	}
	if skipped < 20 {
		t.Errorf("%d numbers of %d were left out", skipped, next)
	}
}

// A key is changed without a word. Packets of the key before are good for a while, and
// then no more.
func TestRekey(t *testing.T) {
	nonces := recording(t)
	c, s := between(t)
	c.link.skip = 1 << 40
	c.link.out.packets, c.link.out.rest = 4, rekeyRest
	deliver := func(p []byte) bool { return s.link.packet(bytes.Clone(p), clientAddr) }
	c.pass(rekeyRest)
	s.pass(rekeyRest)
	var old [][]byte
	for range 4 {
		old = append(old, c.send("old"))
	}
	if !deliver(old[0]) {
		t.Fatal("refused")
	}
	new1, new2 := c.send("new"), c.send("new")
	if new1[0]&flagPhase == old[0][0]&flagPhase {
		t.Fatal("the key was not changed")
	}
	before := *s.link.in
	for i := range new2 { // forgers cannot move the phase
		q := bytes.Clone(new2)
		q[i] ^= 0x40
		if deliver(q) {
			t.Fatal("forged")
		}
	}
	flipped := bytes.Clone(old[1])
	flipped[0] ^= flagPhase
	if deliver(flipped) || s.link.in.phase != before.phase || s.link.in.window != before.window {
		t.Fatal("a forged packet left a trace")
	}
	if !deliver(new2) || !deliver(new1) || !deliver(old[1]) {
		t.Error("what came in another order was refused")
	}
	s.pass(rekeyKeeps - 50*time.Millisecond)
	if !deliver(old[2]) {
		t.Error("the key before was forgotten too early")
	}
	s.pass(50 * time.Millisecond)
	if deliver(old[3]) {
		t.Error("the key before is still good")
	}
	for range 20 { // and on
		c.pass(rekeyRest)
		s.pass(rekeyRest)
		for range 10 {
			if !deliver(c.send("x")) {
				t.Fatal("refused after another change")
			}
		}
	}
	if len(nonces.seen) != 22 {
		t.Errorf("%d keys were used, want 22", len(nonces.seen))
	}
}

// Who holds the keys cannot make the other side take a new one with each packet, which
// costs some times as much.
func TestRekeyAllTheTime(t *testing.T) {
	c, s := between(t)
	c.link.out.packets, c.link.out.rest = 1, 0
	taken := 0
	for range 1000 {
		if s.link.packet(c.send("x"), clientAddr) {
			taken++
		}
	}
	if taken > 3 {
		t.Errorf("%d packets, each under another key, were taken in no time", taken)
	}
}
