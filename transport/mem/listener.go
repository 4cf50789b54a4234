package mem

import (
	"context"
	"net"
	"sync"

	"github.com/parley-net/parley/core"
)

type listener struct {
	network *Transport
	addr    address
	backlog chan *conn
	closed  chan struct{}
	once    sync.Once
}

func newListener(t *Transport, addr address) *listener {
	size := t.Backlog
	switch {
	case size == 0:
		size = DefaultBacklog
	case size < 0:
		size = 0
	}
	return &listener{network: t, addr: addr, backlog: make(chan *conn, size), closed: make(chan struct{})}
}

func (l *listener) Accept(ctx context.Context) (core.Conn, error) {
	// A closed Listener says so, and one with a connection at hand gives it,
	// whatever ctx says: select alone would draw lots.
	select {
	case <-l.closed:
		return nil, l.closedError()
	default:
	}
	select {
	case c := <-l.backlog:
		return c, nil
	default:
	}
	select {
	case c := <-l.backlog:
		return c, nil
	case <-l.closed:
		return nil, l.closedError()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) closedError() error {
	return core.Errorf(core.ErrClosed, "parley: accept %s: listener closed", l.addr)
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Close() error {
	l.once.Do(func() {
		t := l.network
		t.mu.Lock()
		delete(t.listeners, string(l.addr))
		t.mu.Unlock()
		close(l.closed)
		l.refuseWaiting()
	})
	return nil
}

// refuseWaiting closes the connections that Accept will never return. Close
// calls it, and so does a Dial that entered the backlog too late for that call.
func (l *listener) refuseWaiting() {
	for {
		select {
		case c := <-l.backlog:
			c.Close(core.CodeRefused, "listener closed")
		default:
			return
		}
	}
}
