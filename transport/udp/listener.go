package udp

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/internal/gate"
	"github.com/parley-net/parley/transport/token"
)

// Listen starts to accept connections at addr, "host:port", where port 0 chooses a
// free one and an empty host means all of this machine's addresses. A machine with
// several public addresses should name one, since answers leave by the address that
// the system prefers. The Listener is a core.Pinner.
func (t *Transport) Listen(ctx context.Context, addr string) (core.Listener, error) {
	key, err := t.key()
	if err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	pc, err := t.cfg.ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	l := &listener{addr: pc.LocalAddr(), pin: key.Pin(), queue: make(chan *conn, backlog), done: make(chan struct{})}
	cfg := gate.ServerConfig{
		Kind: gate.KindUDP, Identity: key, Idle: t.cfg.IdleTimeout, MaxLinks: t.cfg.MaxConns,
		Room:   func() bool { return len(l.queue) < cap(l.queue) },
		Accept: func(k *gate.Link) gate.Handler { return l.admit(newConn(k, &t.cfg)) },
		Lost: func() {
			l.shut(core.Errorf(core.ErrClosed, "parley: the socket of the listener at %s was closed: %w", l.addr, net.ErrClosed))
		},
	}
	if v := t.cfg.Tokens; v != nil {
		cfg.Open = func(sealed []byte) (gate.Pass, error) {
			p, err := v.Open(sealed, time.Now())
			if err != nil {
				return gate.Pass{}, err
			}
			return gate.Pass{ID: p.ID, User: p.User, PSK: p.PSK, Token: p}, nil
		}
		cfg.Spend = func(p gate.Pass) error { return v.Consume(p.Token.(*token.Pass), time.Now()) }
	}
	if l.gate, err = gate.Listen(ctx, pc, cfg); err != nil {
		return nil, fmt.Errorf("parley: listen at %s: %w", addr, err)
	}
	return l, nil
}

type listener struct {
	gate *gate.Listener
	addr net.Addr
	pin  string

	queue chan *conn // those that wait for Accept
	done  chan struct{}

	mu  sync.Mutex
	why error // set when the Listener is closed; wraps core.ErrClosed
}

// Accept implements core.Listener.
func (l *listener) Accept(ctx context.Context) (core.Conn, error) {
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
		select {
		case <-l.done: // Close spares what Accept returned, and this it did not
			c.Close(core.CodeShutdown, closedReason)
			return nil, l.closed()
		default:
		}
		return c, nil
	case <-l.done:
		return nil, l.closed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// admit puts a connection into the queue of Accept. It returns nil if there is no room.
func (l *listener) admit(c *conn) gate.Handler {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil {
		return nil
	}
	select {
	case l.queue <- c:
		return c
	default:
		return nil
	}
}

// Addr implements core.Listener.
func (l *listener) Addr() net.Addr { return l.addr }

// Pin implements core.Pinner.
func (l *listener) Pin() string { return l.pin }

const closedReason = "the server stopped accepting"

// Close implements core.Listener. It waits, for the linger at most, until those in the
// queue have been told.
func (l *listener) Close() error {
	l.shut(core.Errorf(core.ErrClosed, "parley: the listener at %s is closed", l.addr))
	var told sync.WaitGroup
	for {
		select {
		case c := <-l.queue:
			told.Go(func() { c.Close(core.CodeShutdown, closedReason) })
			continue
		default:
		}
		told.Wait()
		l.gate.Close()
		return nil
	}
}

func (l *listener) shut(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = why
		close(l.done)
	}
}

func (l *listener) closed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}
