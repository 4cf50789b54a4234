package netsim

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/core"
)

// A flow is one direction of a connection: what is on its way, Reliable in the
// order of Send and Unreliable in the order of arrival. The lock of the Conn
// guards it.
type flow struct {
	link     Link
	rng      *rand.PCG
	bad      bool // the state of the link's bursts
	pace     pace
	bytes    int // bounds, for each Delivery apart
	messages int
	head     *packet // Reliable
	tail     *packet
	loose    byDue // Unreliable
	load     [2]load
	held     int // how many of the Reliable ones are
	seq      uint64
	lost     uint64
	lastDue  time.Duration // of the Reliable ones: none arrives before the one ahead
}

type load struct{ bytes, messages int }

// draw decides on the next message. It draws exactly once.
func (f *flow) draw(d core.Delivery) fate { return f.link.draw(f.rng.Uint64(), &f.bad, d) }

// queue returns how long n bytes that set out at now take to get through the link's
// Rate, or false if they are lost in the dark or in its queue. What will be held sets
// out later.
func (f *flow) queue(d core.Delivery, n int, now time.Duration, dark bool) (time.Duration, bool) {
	if dark || d == core.Reliable && f.held > 0 {
		return 0, d == core.Reliable
	}
	return f.pace.take(&f.link, n, now, d == core.Reliable)
}

// full reports whether n more bytes with delivery d exceed a bound. One message
// always fits.
func (f *flow) full(d core.Delivery, n int) bool {
	l := f.load[d]
	return l.messages > 0 && (l.bytes+n > f.bytes || l.messages >= f.messages)
}

// push puts p on its way, at now and with the delay that p has; dark says that
// the link is. An Unreliable one that finds no room pushes out those that arrive
// first; push returns how many.
func (f *flow) push(p *packet, now time.Duration, dark bool) (evicted int) {
	f.seq++
	p.seq = f.seq
	p.due = now + p.delay
	if p.delivery == core.Unreliable {
		for f.full(core.Unreliable, len(p.data)) {
			f.remove(f.loose[0])
			evicted++
		}
		heap.Push(&f.loose, p)
	} else {
		if f.tail == nil {
			f.head = p
		} else {
			f.tail.next = p
		}
		f.tail = p
		// What follows a held one is held: it must not overtake.
		if p.held = dark || f.held > 0; p.held {
			f.held++
		} else {
			p.due = max(p.due, f.lastDue)
			f.lastDue = p.due
		}
	}
	f.load[p.delivery].bytes += len(p.data)
	f.load[p.delivery].messages++
	return evicted
}

// unhold sends on what was held, as from the instant when the link healed.
func (f *flow) unhold(healed time.Duration) {
	for p := f.head; p != nil && f.held > 0; p = p.next {
		if p.held {
			p.held = false
			f.held--
			wait, _ := f.pace.take(&f.link, len(p.data), healed, true)
			p.due = max(healed+wait+p.delay, f.lastDue)
			f.lastDue = p.due
		}
	}
}

// first returns what arrives next, or nil; what is held does not arrive.
func (f *flow) first() *packet {
	p := f.head
	if p != nil && p.held {
		p = nil
	}
	if len(f.loose) > 0 && (p == nil || f.loose[0].before(p)) {
		p = f.loose[0]
	}
	return p
}

// take removes p, which first returned.
func (f *flow) take(p *packet) {
	if p.delivery == core.Unreliable {
		heap.Pop(&f.loose)
	} else {
		if f.head = p.next; f.head == nil {
			f.tail = nil
		}
		if p.held {
			f.held--
		}
		p.next = nil
	}
	f.load[p.delivery].bytes -= len(p.data)
	f.load[p.delivery].messages--
}

func (f *flow) remove(p *packet) {
	f.take(p)
	p.release()
}

// trim forgets all that has not arrived by the instant last.
func (f *flow) trim(last time.Duration) {
	var arrived []*packet
	for p := f.first(); p != nil && p.due <= last; p = f.first() {
		f.take(p)
		arrived = append(arrived, p)
	}
	f.clear()
	for _, p := range arrived {
		p.delay = 0
		f.push(p, p.due, false)
	}
}

// clear forgets all.
func (f *flow) clear() {
	f.lastDue = 0
	for f.head != nil {
		f.remove(f.head)
	}
	for len(f.loose) > 0 {
		f.remove(f.loose[0])
	}
}

// byDue is a heap of Unreliable messages.
type byDue []*packet

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].before(h[j]) }
func (h byDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byDue) Push(x any)        { *h = append(*h, x.(*packet)) }

func (h *byDue) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}
