package arq

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// FuzzReceive gives a Session in the middle of its life one payload after another. Whatever
// they hold, it must return, hold no more than it may, and stay sound; and what it does not
// refuse it must take the same way when it comes a second time.
func FuzzReceive(f *testing.F) {
	for _, c := range malformed {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b := appendAck(nil, 100, spans{{3, 4}, {5, 6}}, 5, time.Millisecond, 1<<40)
	b = append(appendDataHeader(appendPing(b), 0, 4), "\x03abc"...)
	f.Add(append(appendDatagramHeader(b, 2), "hi"...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		s := sender(t)
		buf := make([]byte, MaxDatagram)
		pn := s.flight.next
		for round := range uint64(3) {
			now := epoch.Add(time.Duration(round) * 30 * ms)
			size := s.footprint()
			err := s.Receive(now, 9+round, payload)
			if err != nil && !errors.Is(err, core.ErrMalformed) {
				t.Fatalf("%x gives %v", payload, err)
			}
			// A chunk for each piece, and what else a packet may need.
			if grown := s.footprint() - size; grown > 16<<10+chunkSize*len(payload)/6 {
				t.Fatalf("%x takes %d bytes", payload, grown)
			}
			if err := s.sound(); err != nil {
				t.Fatalf("after %x: %v", payload, err)
			}
			for n := 0; s.Next(now, pn, buf) > 0; n++ {
				if pn++; n > 100 {
					t.Fatalf("after %x it sends without end", payload)
				}
			}
			for _, ok := s.Recv(buf[:0]); ok; _, ok = s.Recv(buf[:0]) {
			}
		}
	})
}

// A script drives two Sessions and the network between them by bytes: an operation, and
// what it needs. As long as nobody is hostile, nothing may be lost, doubled or reordered,
// and in the end, when the network is good again, everything must arrive.
type script struct {
	t       *testing.T
	bytes   []byte
	s       [2]*Session
	now     time.Time
	pn      [2]uint64
	air     [2][]packet // from there
	sent    [2]uint32   // Reliable messages
	got     [2]uint32
	fresh   [2]uint32
	seen    [2]map[uint32]bool
	hostile [2]bool // what it sends was tampered with: nothing holds there but what protects the other
	dead    [2]bool // has found out that the other is
	buf     []byte
}

func (x *script) byte() byte {
	if len(x.bytes) == 0 {
		return 0
	}
	b := x.bytes[0]
	x.bytes = x.bytes[1:]
	return b
}

// Operations of a script. The end that it is about is the lowest bit of its byte.
const (
	opSend = iota
	opFresh
	opDeliver
	opDrop
	opLater // move a packet to the end of the queue
	opTamper
	opWait
	opTake
	opSkip
	opPath
	opTooBig
	opPump
	ops
)

func (x *script) run() {
	for steps := 0; len(x.bytes) > 0 && steps < 2000; steps++ {
		op := x.byte()
		i := int(op & 1)
		switch s := x.s[i]; op >> 1 % ops {
		case opSend:
			size := 4 + int(x.byte())<<(x.byte()%10)
			msg := make([]byte, size)
			binary.BigEndian.PutUint32(msg, x.sent[i])
			if err := s.Send(x.now, core.Reliable, msg); err == nil {
				x.sent[i]++
			} else if err != core.ErrBackpressure {
				x.t.Fatal(err)
			}
		case opFresh:
			size := 5 + int(x.byte())<<(x.byte()%3)
			msg := make([]byte, size)
			binary.BigEndian.PutUint32(msg, x.fresh[i])
			msg[4] = 1
			if err := s.Send(x.now, core.Unreliable, msg); err != nil {
				x.t.Fatal(err)
			}
			x.fresh[i]++
		case opDeliver:
			if n := len(x.air[i]); n > 0 {
				k := int(x.byte()) % n
				p := x.air[i][k]
				x.air[i] = append(x.air[i][:k], x.air[i][k+1:]...)
				x.deliver(i, p)
			}
		case opDrop:
			if n := len(x.air[i]); n > 0 {
				x.air[i] = x.air[i][1:]
			}
		case opLater:
			if n := len(x.air[i]); n > 0 {
				x.air[i] = append(x.air[i][1:], x.air[i][0])
			}
		case opTamper:
			if n := len(x.air[i]); n > 0 {
				p := x.air[i][0].payload
				at, with := int(x.byte())|int(x.byte())<<8, x.byte()
				p[at%len(p)] ^= with
				x.hostile[i] = x.hostile[i] || with != 0
			}
		case opWait:
			x.now = x.now.Add(time.Duration(x.byte()) << (x.byte() % 8) * ms / 8)
		case opTake:
			x.take(i)
		case opSkip:
			x.pn[i] += uint64(x.byte())
		case opPath:
			s.PathChanged(x.now)
		case opTooBig:
			s.TooBig(x.now, 1100+int(x.byte())*2)
		case opPump:
			x.pump(i)
		}
		if err := x.s[i].sound(); err != nil {
			x.t.Fatal(err)
		}
	}
}

func (x *script) pump(i int) {
	for n := 0; ; n++ {
		size := x.s[i].Next(x.now, x.pn[i], x.buf)
		if size == 0 {
			break
		}
		x.air[i] = append(x.air[i], packet{pn: x.pn[i], payload: append([]byte(nil), x.buf[:size]...)})
		if x.pn[i]++; n > 10_000 {
			x.t.Fatal("it sends without end")
		}
	}
	if d := x.s[i].Deadline(); !d.IsZero() && !d.After(x.now) {
		x.t.Fatal("it has nothing to send and wants to be called at once")
	}
}

func (x *script) deliver(from int, p packet) {
	err := x.s[1-from].Receive(x.now, p.pn, p.payload)
	switch {
	case err == nil:
	case !errors.Is(err, core.ErrMalformed):
		x.t.Fatal(err)
	case !x.hostile[from] && !x.hostile[1-from]:
		x.t.Fatalf("an honest peer is refused: %v", err)
	default:
		x.dead[1-from] = true
	}
}

// take takes all that has come to an end, and holds what was promised of it.
func (x *script) take(i int) {
	for {
		msg, ok := x.s[i].Recv(x.buf[:0])
		if !ok {
			return
		}
		if x.hostile[1-i] || x.hostile[i] {
			continue
		}
		if len(msg) < 4 {
			x.t.Fatalf("a message of %d bytes", len(msg))
		}
		id := binary.BigEndian.Uint32(msg)
		if len(msg) > 4 && msg[4] == 1 {
			if x.seen[i][id] || id >= x.fresh[1-i] {
				x.t.Fatalf("Unreliable message %d came, twice: %v, of %d", id, x.seen[i][id], x.fresh[1-i])
			}
			x.seen[i][id] = true
			continue
		}
		if id != x.got[i] || id >= x.sent[1-i] {
			x.t.Fatalf("Reliable message %d of %d came in place of %d", id, x.sent[1-i], x.got[i])
		}
		x.got[i]++
	}
}

// settle makes the network good, and lets everything arrive.
func (x *script) settle() {
	for rounds := 0; ; rounds++ {
		if x.hostile[0] || x.hostile[1] {
			if rounds == 10 {
				return
			}
		} else if x.got[0] == x.sent[1] && x.got[1] == x.sent[0] && x.s[0].Unacked() == 0 && x.s[1].Unacked() == 0 {
			return
		}
		if rounds > 5000 {
			x.t.Fatalf("of %d and %d messages %d and %d have come", x.sent[0], x.sent[1], x.got[1], x.got[0])
		}
		for i := range x.s {
			x.pump(i)
			for len(x.air[i]) > 0 {
				p := x.air[i][0]
				x.air[i] = x.air[i][1:]
				x.deliver(i, p)
			}
			x.take(1 - i)
			if err := x.s[i].sound(); err != nil {
				x.t.Fatal(err)
			}
		}
		x.now = x.now.Add(20 * ms)
	}
}

// FuzzScript holds exactly-once and order over any run of events.
func FuzzScript(f *testing.F) {
	op := func(end, op byte, args ...byte) []byte { return append([]byte{op<<1 | end}, args...) }
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	f.Add(join(op(0, opSend, 10, 0), op(0, opPump), op(0, opDrop), op(0, opWait, 255, 5), op(0, opPump), op(0, opDeliver, 0), op(1, opPump), op(1, opDeliver, 0)))
	f.Add(join(op(0, opSend, 255, 9), op(0, opPump), op(0, opDeliver, 5), op(0, opLater), op(0, opDeliver, 3), op(1, opPump), op(1, opDeliver, 0), op(0, opSkip, 7), op(0, opPump)))
	f.Add(join(op(1, opFresh, 200, 2), op(0, opFresh, 3, 0), op(0, opSend, 200, 3), op(1, opPump), op(0, opPump), op(1, opDeliver, 0), op(0, opTake), op(0, opPath), op(0, opTooBig, 100)))
	f.Add(join(op(0, opSend, 50, 1), op(0, opPump), op(0, opTamper, 3, 0, 0x40), op(0, opDeliver, 0), op(1, opPump)))
	f.Add(join(op(0, opSend, 50, 1), op(0, opPump), op(0, opDeliver, 0), op(0, opWait, 100, 3), op(1, opPump), op(1, opTamper, 1, 0, 1), op(1, opDeliver, 0), op(0, opPump)))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := &script{t: t, bytes: b, now: epoch, buf: make([]byte, MaxDatagram)}
		for i := range x.s {
			x.s[i] = New(Config{InitialRTT: 20 * ms, Probe: i == 0}, epoch)
			x.seen[i] = map[uint32]bool{}
		}
		x.run()
		x.settle()
	})
}

// TestScripts runs scripts by chance, longer ones than a fuzzer comes to.
func TestScripts(t *testing.T) {
	for seed := range uint64(few(400)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := newWorld(t, seed, link{}, link{}, Config{}).rng
			b := make([]byte, 200+rng.IntN(4000))
			for i := range b {
				b[i] = byte(rng.Uint32())
				if seed%4 > 0 && b[i]>>1%ops == opTamper {
					b[i] = opPump<<1 | b[i]&1
				}
			}
			x := &script{t: t, bytes: b, now: epoch, buf: make([]byte, MaxDatagram)}
			for i := range x.s {
				x.s[i] = New(Config{InitialRTT: 20 * ms, Probe: i == 0}, epoch)
				x.seen[i] = map[uint32]bool{}
			}
			x.run()
			x.settle()
		})
	}
}
