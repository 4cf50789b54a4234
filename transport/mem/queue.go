package mem

import (
	"context"
	"sync"

	"github.com/parley-net/parley/core"
)

// A queue is one direction of a connection: messages in the order of Send, with
// the Unreliable ones threaded a second time so that the oldest of them is found
// at once. The lock of the pair guards it.
type queue struct {
	limits      *limits
	head, tail  *packet
	fresh, last *packet // the oldest and the newest Unreliable one
	load        [2]load // by Delivery
	pushed      total
	popped      total
	dropped     uint64

	waiting bool          // the reader is asleep on wake, or about to be
	wake    chan struct{} // holds one token at most, and only while the reader takes it
}

type load struct{ bytes, messages int }

type total struct{ bytes, messages uint64 }

func (q *queue) init(lim *limits) {
	q.limits = lim
	q.wake = make(chan struct{}, 1)
}

// push copies msg to the end. It reports false when a Reliable message has no
// room. An Unreliable message makes its own: the oldest of its kind go.
func (q *queue) push(d core.Delivery, msg []byte) bool {
	l := &q.load[d]
	for l.bytes+len(msg) > q.limits.bytes || l.messages >= q.limits.messages {
		if d == core.Reliable {
			return false
		}
		p := q.fresh
		q.remove(p)
		p.release()
		q.dropped++
	}
	p := newPacket(d, msg)
	if p.prev = q.tail; q.tail == nil {
		q.head = p
	} else {
		q.tail.next = p
	}
	q.tail = p
	if d == core.Unreliable {
		if q.last == nil {
			q.fresh = p
		} else {
			q.last.newer = p
		}
		q.last = p
	}
	l.bytes += len(msg)
	l.messages++
	q.pushed.bytes += uint64(len(msg))
	q.pushed.messages++
	q.rouse()
	return true
}

// pop takes the message at the front, or returns nil. The caller releases it.
func (q *queue) pop() *packet {
	p := q.head
	if p == nil {
		return nil
	}
	q.remove(p)
	q.popped.bytes += uint64(len(p.data))
	q.popped.messages++
	return p
}

// remove unlinks p, which is the front or the oldest Unreliable one.
func (q *queue) remove(p *packet) {
	if p.prev == nil {
		q.head = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		q.tail = p.prev
	} else {
		p.next.prev = p.prev
	}
	if p.delivery == core.Unreliable {
		if q.fresh = p.newer; q.fresh == nil {
			q.last = nil
		}
	}
	q.load[p.delivery].bytes -= len(p.data)
	q.load[p.delivery].messages--
	p.prev, p.next, p.newer = nil, nil, nil
}

// clear throws away all that waits.
func (q *queue) clear() {
	for p := q.head; p != nil; p = q.head {
		q.remove(p)
		p.release()
	}
}

// rouse wakes the reader, if it sleeps.
func (q *queue) rouse() {
	if q.waiting {
		q.waiting = false
		select {
		case q.wake <- struct{}{}:
		default: // two readers at once, which the contract forbids; never block here
		}
	}
}

// wait releases mu until rouse is called or ctx ends, and returns ctx.Err() in
// the latter case.
func (q *queue) wait(ctx context.Context, mu *sync.Mutex) error {
	q.waiting = true
	mu.Unlock()
	select {
	case <-q.wake:
		mu.Lock()
		return nil
	case <-ctx.Done():
	}
	mu.Lock()
	if q.waiting {
		q.waiting = false
	} else {
		select { // roused as well: a token left behind would end the next wait
		case <-q.wake:
		default:
		}
	}
	return ctx.Err()
}
