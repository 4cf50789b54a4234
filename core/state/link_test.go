package state

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// link is a viewer, its replica and the bad network between them.
type link struct {
	t      testing.TB
	v      *Viewer
	rep    *Replica
	rnd    *rand.Rand
	loss   float64
	far    int // updates that a packet may take
	max    int // bytes of a packet
	budget int
	seq    uint64
	now    int
	down   []parcel
	acks   []parcel
	values []parcel // in order
	stale  int
	sent   int
	check  func(func()) // wraps each change of the replica; may be nil
}

type parcel struct {
	due  int
	seq  uint64
	tick uint64
	b    []byte
}

func newLink(t testing.TB, s *Sender, me PlayerID, rnd *rand.Rand, loss float64) *link {
	l := &link{t: t, v: s.NewViewer(), rep: newTestReplica(t, me), rnd: rnd, loss: loss, far: 5, max: MinPacket, budget: 8 << 10}
	l.v.SetResend(uint32(1 + rnd.IntN(4)))
	return l
}

func (l *link) lost() bool { return l.rnd.Float64() < l.loss }

func (l *link) delay() int {
	if l.far == 0 {
		return l.now
	}
	return l.now + l.rnd.IntN(l.far)
}

// update sends what the viewer needs and delivers what is due.
func (l *link) update() {
	l.now++
	if err := l.v.AppendValues(func(msg []byte) error {
		if l.rnd.IntN(10) == 0 {
			return errors.New("the queue is full")
		}
		due := l.delay()
		if n := len(l.values); n > 0 {
			due = max(due, l.values[n-1].due)
		}
		l.values = append(l.values, parcel{due: due, b: slices.Clone(msg)})
		return nil
	}); err != nil && err.Error() != "the queue is full" {
		l.t.Fatal(err)
	}
	l.v.Begin(l.budget)
	left := max(l.budget, MinPacket)
	for {
		b := l.v.AppendPacket(nil, l.max, l.seq+1)
		if len(b) == 0 {
			break
		}
		l.seq++
		l.sent += len(b)
		if left -= len(b); len(b) > l.max || left < 0 {
			l.t.Fatalf("a packet of %d bytes, at most %d; %d left", len(b), l.max, left)
		}
		p := parcel{due: l.delay(), seq: l.seq, tick: l.v.s.w.tick, b: b}
		if l.lost() {
			if l.rnd.IntN(3) == 0 {
				l.v.Lost(p.seq)
			}
			continue
		}
		l.down = append(l.down, p)
		if l.lost() { // a duplicate
			p.due = l.delay()
			l.down = append(l.down, p)
		}
		if l.rnd.IntN(50) == 0 { // the server gives up too early
			l.v.Lost(p.seq)
		}
	}
	l.rnd.Shuffle(len(l.down), func(i, j int) { l.down[i], l.down[j] = l.down[j], l.down[i] })
	l.down = due(l.down, l.now, l.deliver)
	for len(l.values) > 0 && l.values[0].due <= l.now {
		v := l.values[0]
		l.values = l.values[1:]
		l.run(func() {
			if err := l.rep.ApplyValue(v.b); err != nil {
				l.t.Fatalf("ApplyValue: %v", err)
			}
			clear(v.b)
		})
	}
	l.acks = due(l.acks, l.now, func(p parcel) {
		l.v.Ack(p.seq)
		if l.lost() {
			l.v.Ack(p.seq)
		}
	})
}

func (l *link) deliver(p parcel) {
	l.run(func() {
		b := slices.Clone(p.b)
		err := l.rep.Apply(p.tick, b)
		clear(b) // the buffer is the transport's again
		switch {
		case errors.Is(err, ErrStale):
			l.stale++
		case err != nil:
			l.t.Fatalf("Apply: %v", err)
		case !l.lost():
			l.acks = append(l.acks, parcel{due: l.delay(), seq: p.seq})
		}
	})
}

func (l *link) run(fn func()) {
	if l.check == nil {
		fn()
		return
	}
	l.check(fn)
}

// due calls fn for the parcels that have arrived and returns the others.
func due(ps []parcel, now int, fn func(parcel)) []parcel {
	var later []parcel
	for _, p := range ps {
		if p.due > now {
			later = append(later, p)
		} else {
			fn(p)
		}
	}
	return later
}

// settle updates until the viewer is complete and nothing is on its way, and
// returns after how many updates.
func settle(t *testing.T, s *Sender, links []*link, most int) int {
	t.Helper()
	for i := range most {
		s.Capture()
		quiet := true
		for _, l := range links {
			l.update()
			quiet = quiet && l.v.Complete() && len(l.values) == 0 && len(s.w.large.after(l.v.largeRev)) == 0
		}
		if quiet {
			return i
		}
		s.w.Advance(0)
	}
	t.Fatalf("not complete after %d updates", most)
	return most
}
