package link

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/core/internal/wire"
)

// A pipe carries packets between two sides in virtual time and loses, delays,
// reorders and repeats them, all by its seed.
type pipe struct {
	t        *testing.T
	rnd      *rand.Rand
	now      time.Duration
	queue    events
	sides    [2]*end
	latency  time.Duration
	jitter   time.Duration
	loss     float64
	repeat   float64
	quiet    bool // no more loss
	longest  int  // header
	received int
}

// end is one side of the pipe, and what the test knows of its packets.
type end struct {
	Packets
	gap   time.Duration // between packets
	fates map[uint64]string
	took  map[uint64]bool // of the other side's packets
}

type event struct {
	at   time.Duration
	n    int // breaks ties
	side int // whom it happens to
	msg  []byte
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any     { x := (*e)[len(*e)-1]; *e = (*e)[:len(*e)-1]; return x }

func (p *pipe) add(after time.Duration, side int, msg []byte) {
	heap.Push(&p.queue, event{p.now + after, p.rnd.Int(), side, msg})
}

// run lets time pass.
func (p *pipe) run(d time.Duration) {
	for end := p.now + d; len(p.queue) > 0 && p.queue[0].at <= end; {
		e := heap.Pop(&p.queue).(event)
		p.now = e.at
		if e.msg == nil {
			p.send(e.side)
		} else {
			p.deliver(e.side, e.msg)
		}
	}
}

func (p *pipe) send(side int) {
	s := p.sides[side]
	msg := s.AppendHeader(nil, at(p.now))
	p.longest = max(p.longest, len(msg))
	if p.rnd.IntN(10) == 0 && !p.quiet { // a packet that found no content
		s.Unsent()
	} else {
		seq := s.Next() - 1
		s.fates[seq] = ""
		copies := 1
		if p.rnd.Float64() < p.loss && !p.quiet {
			copies = 0
		} else if p.rnd.Float64() < p.repeat {
			copies = 2
		}
		for range copies {
			after := p.latency
			if p.jitter > 0 {
				after += time.Duration(p.rnd.Int64N(int64(p.jitter)))
			}
			p.add(after, 1-side, msg)
		}
	}
	gap := s.gap
	if !p.quiet {
		gap = gap/2 + time.Duration(p.rnd.Int64N(int64(gap)))
	}
	p.add(gap, side, nil)
}

func (p *pipe) deliver(side int, msg []byte) {
	s, other := p.sides[side], p.sides[1-side]
	r := wire.NewReader(msg)
	seq := s.ReadHeader(&r, at(p.now), func(seq uint64) {
		if !other.took[seq] {
			p.t.Errorf("packet %d is acknowledged and never came", seq)
		}
		p.fate(s, seq, "acknowledged")
	}, func(seq uint64) { p.fate(s, seq, "lost") })
	if err := r.End(); err != nil {
		p.t.Fatal(err)
	}
	if taken := s.Received(seq, at(p.now)); taken == s.took[seq] {
		p.t.Errorf("packet %d came before is %v; it was taken: %v", seq, s.took[seq], taken)
	}
	s.took[seq] = true
	p.received++
}

func (p *pipe) fate(s *end, seq uint64, what string) {
	if before, sent := s.fates[seq]; !sent || before != "" {
		p.t.Errorf("packet %d is %s; it was sent: %v, and %q before", seq, what, sent, before)
	}
	s.fates[seq] = what
}

// TestPipe holds over many bad networks: every packet is acknowledged or lost, once,
// acknowledged only if it came, and the link's numbers are near the truth.
func TestPipe(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name            string
		latency, jitter time.Duration
		loss, repeat    float64
		gaps            [2]time.Duration
	}{
		{"perfect", 20 * ms, 0, 0, 0, [2]time.Duration{33 * ms, 33 * ms}},
		{"at once", 0, 0, 0, 0, [2]time.Duration{33 * ms, 16 * ms}},
		{"lossy", 40 * ms, 5 * ms, 0.25, 0, [2]time.Duration{33 * ms, 33 * ms}},
		{"reordered", 30 * ms, 120 * ms, 0, 0, [2]time.Duration{10 * ms, 33 * ms}},
		{"repeated", 30 * ms, 40 * ms, 0, 0.5, [2]time.Duration{20 * ms, 20 * ms}},
		{"everything", 50 * ms, 60 * ms, 0.3, 0.1, [2]time.Duration{8 * ms, 33 * ms}},
		{"far and busy", 300 * ms, 50 * ms, 0.1, 0.05, [2]time.Duration{3 * ms, 3 * ms}},
		{"one side hardly speaks", 20 * ms, 10 * ms, 0.1, 0, [2]time.Duration{5 * ms, 150 * ms}},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", c.name, seed), func(t *testing.T) {
				t.Parallel()
				p := &pipe{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), latency: c.latency, jitter: c.jitter, loss: c.loss, repeat: c.repeat}
				for i := range p.sides {
					p.sides[i] = &end{gap: c.gaps[i], fates: make(map[uint64]string), took: make(map[uint64]bool)}
					p.add(0, i, nil)
				}
				p.run(6 * time.Second) // up to 2,000 packets each way: some windows
				p.check(c.loss)
				sent := [2]uint64{p.sides[0].Next(), p.sides[1].Next()}
				p.quiet = true
				p.run(3 * time.Second) // what comes in last tells of all before
				for i, s := range p.sides {
					for seq := uint64(1); seq < sent[i]; seq++ {
						if s.fates[seq] == "" {
							t.Errorf("nothing was told of packet %d of %d", seq, sent[i])
						}
					}
				}
			})
		}
	}
}

// check compares what the sides think of the link with what it is.
func (p *pipe) check(loss float64) {
	for i, s := range p.sides {
		var link Stats
		s.Fill(&link)
		low, high := 2*p.latency, 2*(p.latency+p.jitter)
		// Of reordered packets the newest is measured, so the mean is not half way.
		if slack := time.Millisecond; link.RTT < low-slack || link.RTT > high+slack {
			p.t.Errorf("side %d measures a round trip of %v; it is %v to %v", i, link.RTT, low, high)
		}
		if link.Jitter > p.jitter+time.Millisecond {
			p.t.Errorf("side %d measures a jitter of %v; it is %v at most", i, link.Jitter, p.jitter)
		}
		if p.jitter < 3*s.gap/2 && (link.Loss < loss-0.2 || link.Loss > loss+0.2) { // else late ones count as lost
			p.t.Errorf("side %d measures a loss of %.2f; it is %.2f", i, link.Loss, loss)
		}
		if loss == 0 && p.jitter == 0 && link.Loss != 0 {
			p.t.Errorf("side %d measures a loss of %v; there is none", i, link.Loss)
		}
	}
	// Number, newest, delay and the length of the bitmap, which covers what the other
	// side may not know yet: all that is sent within two round trips.
	under := 2*(2*(p.latency+p.jitter))/min(p.sides[0].gap, p.sides[1].gap)*2 + 64
	if p.longest > 3+3+3+1+min(maxMask, int(under)/8) {
		p.t.Errorf("a header had %d bytes", p.longest)
	}
	if p.received < 100 {
		p.t.Errorf("%d packets came", p.received)
	}
}

// TestTrimmed holds that bitmaps of a link without loss stay short for ever.
func TestTrimmed(t *testing.T) {
	var a, b Packets
	for i := range 5000 {
		now := at(time.Duration(i) * 10 * time.Millisecond)
		header := a.AppendHeader(nil, now)
		if mask := len(header) - len(wire.AppendUvarint(nil, a.Next()-1)) - len(wire.AppendUvarint(nil, a.newest)) - 2; i > 0 && mask > 1 {
			t.Fatalf("the bitmap of packet %d has %d bytes", i, mask)
		}
		seq, _, _ := read(t, &b, header, now)
		b.Received(seq, now)
		seq, _, _ = read(t, &a, b.AppendHeader(nil, now), now)
		a.Received(seq, now)
	}
}
