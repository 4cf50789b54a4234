package arq

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/parley-net/parley/core"
)

// mostMemory is what a Session may hold, whatever its peer does and with both queues full.
const mostMemory = 2 << 20

// footprint returns how many bytes a Session holds.
func (s *Session) footprint() int {
	size := int(unsafe.Sizeof(*s))
	for _, b := range []*buffer{&s.in.buf, &s.out.buf, &s.taken.buf, &s.fresh.buf} {
		size += cap(b.table) * int(unsafe.Sizeof(b.table[0]))
		for _, c := range b.table {
			if c != nil {
				size += chunkSize
			}
		}
	}
	size += len(s.pool.free)*chunkSize + cap(s.pool.free)*int(unsafe.Sizeof(s.pool.free[0]))
	for _, p := range []spans{s.in.pieces, s.out.acked, s.out.lost, s.acks.seen, s.flight.gaps} {
		size += cap(p) * int(unsafe.Sizeof(span{}))
	}
	for _, m := range []*messages{&s.taken, &s.fresh} {
		size += cap(m.queue.array) * int(unsafe.Sizeof(waiting{}))
	}
	return size + cap(s.flight.ring.array)*int(unsafe.Sizeof(sent{}))
}

// A siege is a Session whose program sends all it can and never calls Recv, and a peer
// that keeps to the letter of the protocol and means ill.
type siege struct {
	t       *testing.T
	rng     *rand.Rand
	s       *Session
	now     time.Time
	pn      uint64 // of the Session's packets
	peerPN  uint64
	sent    spans // numbers of the packets that the Session has sent, in runs
	packets int
	calls   int
	most    int // footprint
	buf     []byte
}

func besiege(t *testing.T, seed uint64) *siege {
	return &siege{t: t, rng: rand.New(rand.NewPCG(seed, 0)), s: New(Config{Probe: true, InitialRTT: 20 * ms}, epoch), now: epoch, buf: make([]byte, MaxDatagram)}
}

// push has the program send until the queues are full; size is that of its messages.
func (g *siege) push(size int) {
	msg := make([]byte, size)
	for {
		if err := g.s.Send(g.now, core.Reliable, msg); err == core.ErrBackpressure {
			break
		} else if err != nil {
			g.t.Fatal(err)
		}
		if size < 100 { // each in a packet of its own
			g.pump()
		}
	}
	for range maxMessages {
		if err := g.s.Send(g.now, core.Unreliable, make([]byte, 1000)); err != nil {
			g.t.Fatal(err)
		}
	}
	g.pump()
}

func (g *siege) pump() {
	for {
		n := g.s.Next(g.now, g.pn, g.buf)
		if n == 0 {
			break
		}
		g.sent.add(g.pn, g.pn+1, 1<<20)
		g.packets++
		g.pn++
	}
	if g.packets%64 == 0 {
		g.pn++ // left out
	}
	if g.calls++; g.calls%64 == 0 {
		g.most = max(g.most, g.s.footprint())
	}
}

// attack has the peer send a payload.
func (g *siege) attack(payload []byte) {
	if err := g.s.Receive(g.now, g.peerPN, payload); err != nil {
		g.t.Fatalf("the attack was found out: %v", err)
	}
	g.peerPN++
	g.pump()
}

func (g *siege) pass(d time.Duration) {
	for until := g.now.Add(d); g.now.Before(until); {
		next := g.s.Deadline()
		if next.IsZero() || next.After(until) {
			next = until
		}
		if !next.After(g.now) {
			next = g.now.Add(1)
		}
		g.now = next
		g.pump()
	}
}

// ack acknowledges those of the packets sent that choose picks, the newest of them, with
// a window without end.
func (g *siege) ack(choose func(pn uint64) bool) {
	var seen spans
	for i := len(g.sent) - 1; i >= 0 && len(seen) < maxRanges; i-- {
		for pn := g.sent[i].to; pn > g.sent[i].from && len(seen) < maxRanges; pn-- {
			if choose(pn - 1) {
				seen.add(pn-1, pn, maxRanges)
			}
		}
	}
	if len(seen) > 0 {
		g.attack(appendAck(nil, 1000, seen, seen[len(seen)-1].to-1, 0, maxVarint))
	}
}

// The attacks, each of which a peer may go on with for ever.
var attacks = []struct {
	name string
	do   func(g *siege)
}{
	{"pieces of one byte with holes", func(g *siege) {
		for off := uint64(1); off < window; off += 2 {
			g.attack(append(appendDataHeader(nil, off, 1), 0))
		}
	}},
	{"pieces of one byte all over the window", func(g *siege) {
		for range 10_000 {
			g.attack(append(appendDataHeader(nil, 1+g.rng.Uint64N(window-1), 1), 0))
		}
	}},
	{"all of the window but its first byte", func(g *siege) {
		for off := uint64(1); off < window; off += 1000 {
			n := min(1000, int(window-off))
			g.attack(append(appendDataHeader(nil, off, n), make([]byte, n)...))
		}
	}},
	{"a window of empty messages", func(g *siege) {
		for off := uint64(0); off < window; off += 1000 {
			n := min(1000, int(window-off))
			g.attack(append(appendDataHeader(nil, off, n), make([]byte, n)...))
		}
	}},
	{"the beginning of the largest message, again and again", func(g *siege) {
		for range 1000 {
			g.attack(append(appendDataHeader(nil, 0, 5), appendVarint(nil, core.MinReliableSize)[0], 4, 0, 0, 1))
		}
	}},
	{"Unreliable messages of all sizes", func(g *siege) {
		for range 1000 {
			n := g.rng.IntN(1100)
			if g.rng.IntN(2) == 0 {
				n = 0
			}
			g.attack(append(appendDatagramHeader(nil, n), make([]byte, n)...))
		}
	}},
	{"packets with gaps between their numbers", func(g *siege) {
		for range 1000 {
			g.peerPN += g.rng.Uint64N(1 << 40)
			g.attack([]byte{framePing})
		}
	}},
	{"no acknowledgement at all", func(g *siege) { g.pass(30 * time.Second) }},
	{"every other packet acknowledged", func(g *siege) {
		for range 300 {
			g.ack(func(pn uint64) bool { return pn%2 == 0 })
			g.push(20)
			g.pass(30 * ms)
		}
	}},
	{"few packets acknowledged, by chance", func(g *siege) {
		for range 300 {
			g.ack(func(uint64) bool { return g.rng.IntN(10) == 0 })
			g.push(20 + g.rng.IntN(2)*500)
			g.pass(time.Duration(g.rng.IntN(100)) * ms)
		}
	}},
	{"everything acknowledged at once, with a window without end", func(g *siege) {
		for range 50 {
			g.ack(func(uint64) bool { return true })
			g.push(1000)
			g.pass(ms)
		}
	}},
	{"round trips of a minute, by its own account", func(g *siege) {
		for range 100 {
			g.ack(func(pn uint64) bool { return pn < 5 })
			g.pass(50 * ms)
			g.attack([]byte{framePing})
		}
	}},
}

// TestMemory holds that no attack, and not all of them together, make a Session hold more
// than it may.
func TestMemory(t *testing.T) {
	for _, size := range []int{20, 1000, 100_000} {
		for seed := range uint64(few(4)) {
			g := besiege(t, seed)
			g.push(size)
			order := g.rng.Perm(len(attacks))
			for _, i := range order {
				attacks[i].do(g)
				g.push(size)
				if g.most > mostMemory {
					t.Fatalf("seed %d: %s makes the Session hold %d bytes", seed, attacks[i].name, g.most)
				}
				if err := g.s.sound(); err != nil {
					t.Fatalf("seed %d: after %s: %v", seed, attacks[i].name, err)
				}
			}
			if seed == 0 {
				t.Logf("with messages of %d bytes it held %d bytes at most", size, g.most)
			}
		}
	}
}

// TestSilence holds what is sent to a peer that never answers: the first window, and
// then two probes at each timeout, the space between which grows to a second.
func TestSilence(t *testing.T) {
	g := besiege(t, 1)
	g.push(1000)
	if first := g.packets; first > 12 {
		t.Fatalf("%d packets left at once", first)
	}
	g.pass(2 * time.Second)
	soon := g.packets
	g.pass(60 * time.Second)
	if n := g.packets - soon; n < 2*58 || n > 2*62 {
		t.Fatalf("%d packets left in a minute of silence", n)
	}
	if since := g.s.StalledSince(); !since.Equal(epoch) {
		t.Errorf("StalledSince is %v", since)
	}
}

// TestHeap holds that the count of bytes in TestMemory is what the heap says.
func TestHeap(t *testing.T) {
	sessions := few(8)
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	var held []*Session
	for seed := range uint64(sessions) {
		g := besiege(t, seed)
		g.push(1000)
		for _, a := range attacks {
			a.do(g)
			g.push(1000)
		}
		held = append(held, g.s)
	}
	each := (heap() - before) / sessions
	if each > mostMemory {
		t.Errorf("a Session under siege takes %d bytes of the heap", each)
	}
	if count := held[0].footprint(); each > count*11/10+8<<10 {
		t.Errorf("a Session under siege takes %d bytes of the heap, and counts %d", each, count)
	}
	runtime.KeepAlive(held)
}

// TestGivesBack holds that a Session that was under load is small again when it has
// been quiet, and then needs no timer.
func TestGivesBack(t *testing.T) {
	l := link{latency: 20 * ms}
	w := newWorld(t, 1, l, l, Config{InitialRTT: 40 * ms, Probe: true})
	small := w.ends[0].s.footprint()
	n := 0
	for range maxMessages {
		if err := w.send(0, core.Unreliable, 0, 1000); err != nil {
			w.fatalf("%v", err)
		}
	}
	for w.send(0, core.Reliable, n, 10_000) == nil {
		n++
	}
	if got := w.ends[0].s.footprint(); got < maxQueue*9/10 {
		w.fatalf("with a full queue it holds %d bytes", got)
	}
	w.run(10*time.Second, func() bool { return len(w.ends[1].got[1]) == n })
	w.pass(3 * trimEvery)
	for i, e := range w.ends {
		if got := e.s.footprint(); got > small+1024 {
			w.fatalf("quiet for long, end %d holds %d bytes", i, got)
		}
		if d := e.s.Deadline(); !d.IsZero() {
			w.fatalf("end %d has nothing to do, and wants to be called in %v", i, d.Sub(w.time()))
		}
	}
	if small > 2048 {
		t.Errorf("a new Session holds %d bytes", small)
	}
	// One that goes on with little gives back what it had for much.
	for i := range w.ends {
		w.ends[i].got = [2][]int{}
	}
	n = 0
	for w.send(0, core.Reliable, n, 10_000) == nil {
		n++
	}
	game(w, 16*ms, 100)
	w.pass(8 * trimEvery)
	if got := w.ends[0].s.footprint(); got > 40<<10 {
		w.fatalf("with little to do it holds %d bytes", got)
	}
}

// TestOptimist holds that a peer that acknowledges what it has not received is found
// out by the numbers that were left out, those of long ago excepted.
func TestOptimist(t *testing.T) {
	s := New(Config{}, epoch)
	buf := make([]byte, MaxDatagram)
	pn := uint64(0)
	say := func() {
		if err := s.Send(epoch, core.Reliable, []byte("x")); err != nil {
			t.Fatal(err)
		}
		for s.Next(epoch, pn, buf) > 0 {
			pn++
		}
	}
	for range 3 * maxGaps {
		say()
		pn += 2
	}
	say()
	if len(s.flight.gaps) > maxGaps {
		t.Errorf("%d gaps are remembered", len(s.flight.gaps))
	}
	for i, want := range map[int]bool{1: true, maxGaps: true, maxGaps + 2: false} {
		try := *s
		gap := pn - 1 - uint64(3*i-1) // a number of the i-th last gap
		err := try.possible(&ackFrame{largest: gap, ranges: [maxRanges]span{{gap, gap + 1}}, n: 1})
		if found := errors.Is(err, core.ErrMalformed); found != want {
			t.Errorf("an acknowledgement of packet %d, left out %d gaps ago: %v", gap, i, err)
		}
	}
}

// TestWithheld holds that Reliable messages arrive at a peer that never acknowledges
// two packets of three, and that what must be sent for that is bounded.
func TestWithheld(t *testing.T) {
	l := link{latency: 20 * ms}
	w := newWorld(t, 1, l, l, Config{InitialRTT: 40 * ms})
	w.ends[1].hold = func(payload []byte) bool { return true } // this peer writes its own ACK frames
	var seen spans
	n := 0
	w.ends[0].skip = 0
	feed := func() {
		for n < 2000 && w.send(0, core.Reliable, n, 1000) == nil {
			n++
		}
	}
	told := 0
	w.run(2*time.Minute, func() bool {
		feed()
		if len(w.ends[1].arrived) > told {
			told = len(w.ends[1].arrived)
			for pn := range w.ends[1].arrived {
				if pn%3 == 0 {
					seen.add(pn, pn+1, 1<<20)
				}
			}
			if len(seen) > 0 {
				ack := appendAck(nil, 1000, seen[max(0, len(seen)-maxRanges):], seen[len(seen)-1].to-1, 0, w.ends[1].s.in.limit())
				w.arrive(w.now+20*ms, 0, 1<<40+uint64(told), ack)
			}
		}
		return len(w.ends[1].got[1]) == 2000 && w.ends[0].s.Unacked() == 0
	})
	for i, id := range w.ends[1].got[1] {
		if i != id {
			w.fatalf("got message %d in place of %d", id, i)
		}
	}
	if sent := w.ends[0].out.bytes; sent > 6*2000*1000 {
		w.fatalf("%d bytes were sent for 2,000,000", sent)
	}
}
