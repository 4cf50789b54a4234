// Package line is a transport that somebody else made for parley: lines of JSON over
// plain TCP, for networks that are trusted. docs/adapters.md walks through it.
package line

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// Timeout is how long a peer may be silent before its connection ends.
const Timeout = 2 * time.Second

// Transport makes connections over TCP, to addresses of the form "host:port".
type Transport struct{}

// Listen accepts connections at addr.
func (Transport) Listen(ctx context.Context, addr string) (core.Listener, error) {
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &listener{socket, make(chan core.Conn)}
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
	net.Listener
	queue chan core.Conn // for Accept; closed once the socket is
}

func (l *listener) loop() {
	defer close(l.queue)
	for {
		switch socket, err := l.Listener.Accept(); {
		case err == nil:
			l.queue <- newConn(socket)
		case errors.Is(err, net.ErrClosed):
			return
		default: // such as too many open files
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (l *listener) Accept(ctx context.Context) (core.Conn, error) {
	select {
	case c, ok := <-l.queue:
		if ok {
			return c, nil
		}
		return nil, core.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Close() error {
	l.Listener.Close()
	for c := range l.queue { // until loop has ended
		go c.Close(core.CodeShutdown, "nobody accepted it")
	}
	return nil
}

// A frame is a line: a message, the end, or neither, as a sign of life.
type frame struct {
	Message []byte
	End     *core.CloseError
}

// A conn is one end of a pipe, which has the queues that the contract asks for. Two
// goroutines move messages between its other end and the socket.
type conn struct {
	core.Conn
	inner  core.Conn
	socket net.Conn
	busy   sync.WaitGroup
}

func newConn(socket net.Conn) *conn {
	c := &conn{socket: socket}
	c.Conn, c.inner = mem.Pipe()
	c.busy.Go(c.read)
	c.busy.Go(c.write)
	return c
}

func (c *conn) RemoteAddr() net.Addr { return c.socket.RemoteAddr() }

func (c *conn) Close(code core.Code, reason string) error {
	c.Conn.Close(code, reason)
	defer time.AfterFunc(core.DefaultLinger, func() { c.socket.Close() }).Stop()
	c.busy.Wait()
	c.socket.Close()
	return nil
}

func (c *conn) read() {
	bounded := &io.LimitedReader{R: c.socket}
	lines := json.NewDecoder(bounded)
	var f frame
	for f.End == nil {
		f = frame{}
		bounded.N = 2 * core.MinReliableSize // however long the line is
		c.socket.SetReadDeadline(time.Now().Add(Timeout))
		if err := lines.Decode(&f); errors.Is(err, os.ErrDeadlineExceeded) {
			f.End = &core.CloseError{Code: core.CodeTimeout, Reason: err.Error()}
		} else if err != nil {
			f.End = &core.CloseError{Code: core.CodeLost, Reason: err.Error()}
		}
		for f.Message != nil && errors.Is(c.inner.Send(core.Reliable, f.Message), core.ErrBackpressure) {
			time.Sleep(time.Millisecond) // until Recv has made room; the peer waits too
		}
	}
	c.inner.Close(f.End.Code, f.End.Reason)
}

func (c *conn) write() {
	lines := json.NewEncoder(c.socket)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), Timeout/4)
		msg, err := c.inner.Recv(ctx)
		cancel()
		f := frame{Message: msg}
		errors.As(err, &f.End)
		if lines.Encode(f) != nil || f.End != nil {
			return // if the socket broke, read knows why
		}
	}
}
