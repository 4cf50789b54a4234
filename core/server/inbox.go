package server

import (
	"context"
	"sync"
)

// item is one thing that a room's goroutine has to handle.
type item struct {
	n    *session
	msg  []byte // a message, from the inbox's pool
	join *join  // or a stranger who wants a seat
	err  error  // or the end of the connection
}

type join struct {
	info   []byte
	answer chan<- error
}

// inbox is what came in for a room. Anybody may push; the room's goroutine takes.
// It is bounded by the credit of its sessions.
type inbox struct {
	mu     sync.Mutex
	queue  []item
	spare  []item
	pool   [][]byte
	notify chan struct{}
}

func (in *inbox) push(it item) {
	in.mu.Lock()
	in.queue = append(in.queue, it)
	in.mu.Unlock()
	select {
	case in.notify <- struct{}{}:
	default:
	}
}

// buffer returns an empty buffer for a message.
func (in *inbox) buffer() []byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.pool); n > 0 {
		b := in.pool[n-1]
		in.pool = in.pool[:n-1]
		return b[:0]
	}
	return nil
}

// pooledBuffers is how many buffers are kept for the next messages, and
// pooledBuffer the largest that is.
const (
	pooledBuffers = 8192
	pooledBuffer  = 4 << 10
)

// take returns what came since the last call; recycle gives it back.
func (in *inbox) take() []item {
	in.mu.Lock()
	defer in.mu.Unlock()
	q := in.queue
	in.queue = in.spare[:0]
	in.spare = nil
	return q
}

func (in *inbox) recycle(q []item) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range q {
		if b := q[i].msg; b != nil && cap(b) <= pooledBuffer && len(in.pool) < pooledBuffers {
			in.pool = append(in.pool, b)
		}
	}
	clear(q)
	in.spare = q[:0]
}

// credit bounds what of one session waits for the room. A single message always
// fits.
type credit struct {
	mu       sync.Mutex
	messages int
	bytes    int
	freed    chan struct{} // signalled when there is more
}

// take waits until a message of n bytes may be pushed, or ctx ends.
func (c *credit) take(ctx context.Context, n int) error {
	for {
		c.mu.Lock()
		ok := c.messages == 0 || c.messages < inboxMessages && c.bytes+n <= inboxBytes
		if ok {
			c.messages++
			c.bytes += n
		}
		c.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-c.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// give returns what a message took.
func (c *credit) give(n int) {
	c.mu.Lock()
	c.messages--
	c.bytes -= n
	c.mu.Unlock()
	select {
	case c.freed <- struct{}{}:
	default:
	}
}
