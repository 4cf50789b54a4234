package netsim

import (
	"net/netip"
	"time"
)

// A datagram is one copy of a packet on its way, or waiting for its reader.
type datagram struct {
	data      []byte
	from, to  netip.AddrPort
	path      *path // nil if it was injected
	index     uint64
	sent, due time.Duration
	seq       uint64 // breaks ties of due
	copy      int
	corrupted bool
	injected  bool
	next      *datagram // the order of those that wait
}

// idleDatagrams bounds those that wait to be used again.
const idleDatagrams = 4096

func (n *Network) datagram(from, to netip.AddrPort, data []byte) *datagram {
	var p *datagram
	if last := len(n.idle) - 1; last >= 0 {
		p = n.idle[last]
		n.idle = n.idle[:last]
	} else {
		p = new(datagram)
	}
	p.from, p.to = from, to
	p.data = append(p.data[:0], data...)
	return p
}

func (n *Network) release(p *datagram) {
	if cap(p.data) <= kept && len(n.idle) < idleDatagrams {
		*p = datagram{data: p.data}
		n.idle = append(n.idle, p)
	}
}

// inFlight is a heap of what is on its way, the next to arrive first.
type inFlight []*datagram

func (h inFlight) before(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].seq < h[j].seq
}

func (h *inFlight) push(p *datagram) {
	*h = append(*h, p)
	s := *h
	for i := len(s) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.before(i, parent) {
			return
		}
		s[i], s[parent] = s[parent], s[i]
		i = parent
	}
}

func (h *inFlight) pop() *datagram {
	s := *h
	first, last := s[0], len(s)-1
	s[0] = s[last]
	s[last] = nil
	s = s[:last]
	*h = s
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && s.before(child+1, child) {
			child++
		}
		if !s.before(child, i) {
			return first
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
}

// advance lets arrive what is due by t, in order.
func (n *Network) advance(t time.Duration) {
	for len(n.flying) > 0 && n.flying[0].due <= t {
		d := n.flying.pop()
		n.arrive(d, d.due)
	}
}

// arm sets the timer for what arrives next.
func (n *Network) arm(t time.Duration) {
	if len(n.flying) == 0 {
		return
	}
	at := n.flying[0].due
	if n.armed != 0 && n.armed <= at {
		return
	}
	n.armed = at
	if n.timer == nil {
		n.timer = time.AfterFunc(at-t, n.deliver)
	} else {
		n.timer.Reset(at - t)
	}
}

// deliver runs on the timer's goroutine.
func (n *Network) deliver() {
	n.mu.Lock()
	defer n.unlock()
	n.armed = 0
	t := now()
	n.advance(t)
	n.arm(t)
}
