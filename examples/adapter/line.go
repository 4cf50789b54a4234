package line

import (
	"context"
	"net"
	"sync"

	"github.com/parley-net/parley/core"
)

// Transport makes connections over TCP, to addresses of the form "host:port".
type Transport struct{}

var _ core.Transport = Transport{}

// Listen accepts connections at addr.
func (Transport) Listen(ctx context.Context, addr string) (core.Listener, error) {
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &listener{socket: socket, queue: make(chan *conn), done: make(chan struct{})}
	go l.loop()
	return l, nil
}

// Dial connects to the Listener at addr.
func (Transport) Dial(ctx context.Context, addr string) (core.Conn, error) {
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, core.DialError(core.ErrRefused, addr, err)
	}
	return newConn(socket), nil
}

type listener struct {
	socket net.Listener
	queue  chan *conn
	done   chan struct{}
	once   sync.Once
}

func (l *listener) loop() {
	for socket, err := l.socket.Accept(); err == nil; socket, err = l.socket.Accept() {
		c := newConn(socket)
		select {
		case l.queue <- c:
		case <-l.done:
			c.Close(core.CodeShutdown, "")
		}
	}
	l.Close()
}

func (l *listener) Accept(ctx context.Context) (core.Conn, error) {
	select {
	case <-l.done: // for ever, whatever waits
		return nil, core.ErrClosed
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, core.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Addr() net.Addr { return l.socket.Addr() }

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.socket.Close()
	})
	return nil
}
