package arq

import (
	"math/rand/v2"
	"testing"
)

// TestOutbox compares an outbox with an array that says of each byte whether it is to be
// sent, on its way, or has arrived.
func TestOutbox(t *testing.T) {
	const (
		unsent = iota
		away
		there
	)
	for seed := range uint64(few(60)) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var p pool
		o := outbox{buf: buffer{pool: &p}, limit: 1 << 30}
		var model []byte
		type flight struct {
			span
			moved bool // its bytes were sent again though it may arrive
		}
		var flights []flight // the same bytes may be in several
		for range 2000 {
			switch rng.IntN(4) {
			case 0:
				n := rng.IntN(200)
				if o.push(make([]byte, n)) {
					model = append(model, make([]byte, int(o.end)-len(model))...)
				}
			case 1:
				room := 12 + rng.IntN(100)
				off, n := o.take(room)
				if n == 0 {
					if o.ready() && room > minPiece+11 {
						t.Fatalf("seed %d: nothing is taken for %d bytes", seed, room)
					}
					break
				}
				if n+dataHeader(off) > room {
					t.Fatalf("seed %d: %d bytes were taken for %d", seed, n, room)
				}
				for i := off; i < off+uint64(n); i++ {
					if model[i] != unsent {
						t.Fatalf("seed %d: byte %d is sent again, and its state is %d", seed, i, model[i])
					}
					model[i] = away
				}
				flights = append(flights, flight{span{off, off + uint64(n)}, false})
			case 2, 3:
				if len(flights) == 0 {
					break
				}
				k := rng.IntN(len(flights))
				f := flights[k]
				fate := rng.IntN(5)
				if fate < 3 && !f.moved {
					o.lose(f.from, f.to)
					for i := f.from; i < f.to; i++ {
						if model[i] == away {
							model[i] = unsent
						}
					}
				}
				if flights[k].moved = true; fate == 0 {
					break // it may arrive nevertheless
				}
				flights[k] = flights[len(flights)-1]
				flights = flights[:len(flights)-1]
				if fate < 3 {
					break
				}
				shorter := f.from <= o.buf.base && f.to > o.buf.base
				if got := o.ack(f.from, f.to); got != shorter {
					t.Fatalf("seed %d: the queue became shorter: %v", seed, got)
				}
				for i := f.from; i < f.to; i++ {
					model[i] = there
				}
			}
			base := 0
			for base < len(model) && model[base] == there {
				base++
			}
			if int(o.buf.base) != base || o.waiting() != len(model)-base {
				t.Fatalf("seed %d: %d bytes have arrived without a hole, and it counts %d", seed, base, o.buf.base)
			}
			for i := base; i < int(o.next); i++ {
				v := uint64(i)
				if lost, acked := o.lost.meets(v, v+1), o.acked.meets(v, v+1); lost != (model[i] == unsent) || acked != (model[i] == there) {
					t.Fatalf("seed %d: byte %d has the state %d; lost: %v, acknowledged: %v", seed, i, model[i], lost, acked)
				}
			}
		}
	}
}

// TestOutboxBounds holds that of what does not fit into its lists nothing is forgotten:
// it is sent again.
func TestOutboxBounds(t *testing.T) {
	var p pool
	o := outbox{buf: buffer{pool: &p}, limit: 1 << 30}
	o.push(make([]byte, 100_000))
	for range 100 {
		o.take(1000 + 3)
	}
	const step = 20
	for i := range uint64(2 * maxHoles) {
		o.ack(1+step*i, 1+step*i+10)
	}
	if len(o.acked) != maxHoles || len(o.lost) == 0 {
		t.Fatalf("%d runs have arrived, %d are to be sent again", len(o.acked), len(o.lost))
	}
	for i := range uint64(2 * maxHoles) {
		v := 1 + step*i
		if acked, lost := o.acked.meets(v, v+10), o.lost.meets(v, v+10); acked == lost {
			t.Fatalf("run %d: acknowledged %v, to be sent again %v", i, acked, lost)
		}
	}
	for i := range uint64(2 * maxHoles) {
		o.lose(1+step*i+12, 1+step*i+14)
	}
	if len(o.lost) > maxHoles {
		t.Fatalf("%d runs are to be sent again", len(o.lost))
	}
	for i := range uint64(2 * maxHoles) {
		if v := 1 + step*i + 12; !o.lost.meets(v, v+1) || !o.lost.meets(v+1, v+2) {
			t.Fatalf("run %d is not sent again", i)
		}
	}
}

// TestLimit holds that nothing is sent beyond what the peer takes.
func TestLimit(t *testing.T) {
	var p pool
	o := outbox{buf: buffer{pool: &p}, limit: 100}
	o.push(make([]byte, 500))
	if o.blocked() || !o.ready() {
		t.Fatal("it is blocked at once")
	}
	if off, n := o.take(1000); off != 0 || n != 100 {
		t.Fatalf("%d bytes at %d were taken", n, off)
	}
	if _, n := o.take(1000); n != 0 || !o.blocked() || o.ready() {
		t.Fatalf("%d bytes were taken beyond the limit", n)
	}
	o.lose(40, 60)
	if off, n := o.take(1000); off != 40 || n != 20 {
		t.Fatalf("%d bytes at %d were taken again", n, off)
	}
	o.limit = 103
	if off, n := o.take(20); off != 100 || n != 3 || !o.blocked() {
		t.Fatalf("%d bytes at %d were taken", n, off)
	}
	if done := (outbox{next: 100, end: 100, limit: 100}); done.blocked() {
		t.Fatal("it is blocked, though it has no more to send")
	}
	// No slivers: a piece is put behind something else only if it is worth its header.
	o.limit = 1000
	if _, n := o.take(minPiece); n != 0 {
		t.Fatalf("a sliver of %d bytes was taken", n)
	}
	if _, n := o.take(minPiece + dataHeader(103)); n != minPiece {
		t.Fatalf("%d bytes were taken", n)
	}
}
