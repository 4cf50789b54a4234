package tcp

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// Listen starts to accept connections at addr, "host:port", where port 0 chooses a
// free one and an empty host means all of this machine's addresses. The Listener is a
// core.Pinner.
func (t *Transport) Listen(ctx context.Context, addr string) (core.Listener, error) {
	conf, pin, err := t.server()
	if err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	socket, err := t.cfg.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	l := &listener{
		socket:      socket,
		addr:        socket.Addr(),
		cfg:         &t.cfg,
		tls:         conf,
		pin:         pin,
		maxHalfOpen: t.maxHalfOpen,
		places:      make(chan struct{}, t.backlog),
		queue:       make(chan *conn, t.backlog),
		done:        make(chan struct{}),
	}
	l.running.Add(1)
	go l.acceptLoop()
	return l, nil
}

type listener struct {
	socket      net.Listener
	addr        net.Addr
	cfg         *Config
	tls         *tls.Config
	pin         string
	maxHalfOpen int

	places  chan struct{} // one for each conn in queue, or about to be
	queue   chan *conn    // those that wait for Accept; never full
	done    chan struct{} // closed by Close
	running sync.WaitGroup

	mu       sync.Mutex
	why      error     // set when the Listener is closed; wraps core.ErrClosed
	halfOpen list.List // of net.Conn, the oldest first
}

// Accept implements core.Listener. A connection that was lost while it waited,
// before it said anything, is passed over.
func (l *listener) Accept(ctx context.Context) (core.Conn, error) {
	for {
		select {
		case <-l.done:
			return nil, l.closed()
		default:
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		select {
		case c := <-l.queue:
			<-l.places
			select {
			case <-l.done: // Close spares what Accept returned, and this it did not
				c.Close(core.CodeShutdown, closedReason)
				return nil, l.closed()
			default:
			}
			if c.stillborn() {
				c.Drop(core.CodeNormal, "")
				continue
			}
			return c, nil
		case <-l.done:
		case <-ctx.Done():
		}
	}
}

// Addr implements core.Listener.
func (l *listener) Addr() net.Addr { return l.addr }

// Pin implements core.Pinner.
func (l *listener) Pin() string { return l.pin }

const closedReason = "the server stopped accepting"

// Close implements core.Listener. It waits for handshakes under way to be given up
// and for those that wait in the queue to be told, for the linger at most.
func (l *listener) Close() error {
	l.shut(core.Errorf(core.ErrClosed, "parley: the listener at %s is closed", l.addr))
	l.running.Wait()
	var told sync.WaitGroup
	for {
		select {
		case c := <-l.queue:
			told.Go(func() { c.Close(core.CodeShutdown, closedReason) })
			continue
		default:
		}
		told.Wait()
		return nil
	}
}

// shut closes the socket and gives up the handshakes.
func (l *listener) shut(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		return
	}
	l.why = why
	close(l.done)
	l.socket.Close()
	for e := l.halfOpen.Front(); e != nil; e = e.Next() {
		e.Value.(net.Conn).Close()
	}
}

func (l *listener) closed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// acceptLoop takes connections from the kernel as fast as they come, and waits a
// little when that fails: a process out of file descriptors gets some back.
func (l *listener) acceptLoop() {
	defer l.running.Done()
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		raw, err := l.socket.Accept()
		if err == nil {
			pause = shortest
			l.admit(raw)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			l.shut(core.Errorf(core.ErrClosed, "parley: the socket of the listener at %s was closed: %w", l.addr, err))
			return
		}
		select {
		case <-l.done:
			return
		case <-time.After(pause):
			pause = min(2*pause, longest)
		}
	}
}

// admit starts a handshake. If there are too many, the oldest gives way: it is the
// one that most likely never ends.
func (l *listener) admit(raw net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		raw.Close()
		return
	}
	if l.halfOpen.Len() >= l.maxHalfOpen {
		l.halfOpen.Remove(l.halfOpen.Front()).(net.Conn).Close()
	}
	e := l.halfOpen.PushBack(raw)
	l.running.Go(func() { l.handshake(raw, e) })
}

// handshake leads one stranger to the queue of Accept, or away.
func (l *listener) handshake(raw net.Conn, e *list.Element) {
	defer func() {
		l.mu.Lock()
		l.halfOpen.Remove(e) // nothing, if it gave way
		l.mu.Unlock()
	}()
	started := time.Now()
	timer := time.AfterFunc(l.cfg.HandshakeTimeout, func() { raw.Close() })
	tune(raw)
	stream := tls.Server(raw, l.tls)
	err := stream.Handshake()
	if !timer.Stop() || err != nil {
		raw.Close()
		return
	}
	// The client waits as long as we do: it must hear before it gives up.
	patience := time.NewTimer((l.cfg.HandshakeTimeout - time.Since(started)) / 2)
	defer patience.Stop()
	select {
	case l.places <- struct{}{}:
	case <-patience.C:
		newConn(stream, raw, l.cfg, refusing).Close(core.CodeFull, "the server is busy: try again later")
		return
	case <-l.done:
		raw.Close()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		<-l.places
		raw.Close()
		return
	}
	l.halfOpen.Remove(e)
	l.queue <- newConn(stream, raw, l.cfg, server)
}

// stillborn reports whether the peer was lost before it said anything.
func (c *conn) stillborn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil && c.how == abort && c.in.n == 0
}
