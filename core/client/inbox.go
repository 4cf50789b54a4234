package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// The bounds of what waits for Update.
const (
	maxWaiting      = 4096
	maxWaitingBytes = 8 << 20
)

// inbox is what came in and waits for Update. Its reader goroutine stops taking
// messages when too many wait, so that the transport slows the server down.
type inbox struct {
	mu      sync.Mutex
	queue   [][]byte
	head    int
	bytes   int
	pool    [][]byte
	room    chan struct{} // signalled when there is room again
	notify  chan struct{}
	over    error
	deaf    bool // nobody will handle what comes
	cancel  context.CancelFunc
	stopped chan struct{}
	stateAt time.Time // when the newest state came; the client's goroutine's
}

func (in *inbox) start(c *Client) {
	in.room = make(chan struct{}, 1)
	in.notify = make(chan struct{}, 1)
	in.stopped = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	in.cancel = cancel
	go in.read(ctx, c.conn)
}

func (in *inbox) read(ctx context.Context, conn core.Conn) {
	defer close(in.stopped)
	for {
		msg, err := conn.Recv(ctx)
		if ctx.Err() != nil {
			return // whoever ended the session closes the connection, and says why
		}
		if err != nil {
			var closed *core.CloseError
			if !errors.As(err, &closed) {
				closed = &core.CloseError{Code: core.CodeLost, Err: err}
			}
			in.fail(closed)
			_ = conn.Close(core.CodeNormal, "") // it is over; this frees what it holds
			return
		}
		for !in.push(msg) {
			select {
			case <-in.room:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (in *inbox) push(msg []byte) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.deaf {
		return true
	}
	if n := len(in.queue) - in.head; n > 0 && (n >= maxWaiting || in.bytes+len(msg) > maxWaitingBytes) {
		return false
	}
	var b []byte
	if n := len(in.pool); n > 0 {
		b = in.pool[n-1]
		in.pool = in.pool[:n-1]
	}
	if in.head > 0 && in.head == len(in.queue) {
		in.queue, in.head = in.queue[:0], 0
	}
	in.queue = append(in.queue, append(b[:0], msg...))
	in.bytes += len(msg)
	in.wake(in.notify)
	return true
}

func (in *inbox) wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// take returns the next message; done gives it back.
func (in *inbox) take() ([]byte, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.head == len(in.queue) {
		return nil, false
	}
	msg := in.queue[in.head]
	in.queue[in.head] = nil
	in.head++
	in.bytes -= len(msg)
	in.wake(in.room)
	return msg, true
}

func (in *inbox) done(msg []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if cap(msg) <= 8<<10 && len(in.pool) < 64 {
		in.pool = append(in.pool, msg)
	}
}

// discard forgets what waits: nobody will handle it any more.
func (in *inbox) discard() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue, in.head, in.bytes, in.deaf = nil, 0, 0, true
	in.wake(in.room)
}

// fail ends the session; the first reason counts.
func (in *inbox) fail(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.over == nil {
		in.over = err
		in.cancel()
	}
	in.wake(in.notify)
}

func (in *inbox) err() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.over != nil && in.head < len(in.queue) {
		return nil // what arrived comes first
	}
	return in.over
}

func (in *inbox) wait() { <-in.stopped }
