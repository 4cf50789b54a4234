package tcp

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
)

var (
	_ core.Conn       = (*conn)(nil)
	_ core.Dropper    = (*conn)(nil)
	_ core.Identifier = (*conn)(nil)
)

// How a connection comes down.
type ending int

const (
	abort    ending = iota // the socket is closed at once, and what is queued is lost
	reset                  // like abort, and the peer's kernel is told by a RST
	farewell               // what is queued is lost, but the peer is told why
	flush                  // Reliable messages leave first, then as farewell
	answer                 // the peer has said goodbye: nothing is left to say
	lastWord               // as farewell, to a peer that fell silent: no answer is awaited
)

// conn is a connection: one goroutine reads, one writes, and they share with the
// callers what mu guards. The socket is closed when both goroutines have ended, or
// to make them end.
type conn struct {
	stream net.Conn // frames travel here, under TLS
	raw    net.Conn // the socket below
	cfg    *Config
	pin    string // what the server has proven; empty on the server

	wake  chan struct{} // the writer has something to do
	ready chan struct{} // Recv has something to take
	space chan struct{} // the reader has room again
	done  chan struct{} // closed when the connection has ended: err is set
	gone  chan struct{} // closed when the goroutines have ended and the socket is closed

	// A client's reader closes welcome at the server's first frame. Nil on the server.
	welcome chan struct{}

	mu      sync.Mutex
	err     *core.CloseError // why it ended; nil while it lives
	how     ending           // valid if err is set
	cut     *time.Timer      // closes the socket when the linger is over
	broken  error            // why the writer gave up, while the reader may still find the reason
	running int              // goroutines that have not ended
	out     outbox
	in      inbox

	cur               block // for Recv alone: where the last message stands
	msgsRecv, msgRecv atomic.Uint64
}

// Which end of a connection a conn is.
type role int

const (
	client   role = iota // waits for the server's welcome
	server               // welcomes the client
	refusing             // a server that will only say goodbye
)

// newConn starts a connection on a stream whose handshake is done.
func newConn(stream, raw net.Conn, cfg *Config, r role) *conn {
	c := &conn{
		stream:  stream,
		raw:     raw,
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		ready:   make(chan struct{}, 1),
		space:   make(chan struct{}, 1),
		done:    make(chan struct{}),
		gone:    make(chan struct{}),
		running: 2,
	}
	if r == client {
		c.welcome = make(chan struct{})
	}
	go c.readLoop(r == client)
	go c.writeLoop(r == server)
	return c
}

// signal sets a flag that one goroutine waits for.
func signal(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

// Send implements core.Conn.
func (c *conn) Send(d core.Delivery, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if limit := maxSize(d); len(msg) > limit {
		return &core.TooLargeError{Size: len(msg), Max: limit, Delivery: d}
	}
	switch d {
	case core.Reliable:
		if !c.out.pushReliable(msg) {
			return core.Errorf(core.ErrBackpressure, "parley: %s does not keep up: %d bytes wait for it, and %d more are too many: send less, or try again later",
				c.raw.RemoteAddr(), c.out.reliable.n, len(msg))
		}
	case core.Unreliable:
		c.out.pushUnreliable(msg)
	default:
		return core.Errorf(core.ErrUnsupported, "parley: tcp: send with %s: use core.Reliable or core.Unreliable", d)
	}
	if !c.out.busy {
		c.out.busy = true
		signal(c.wake)
	}
	return nil
}

// Recv implements core.Conn. What is there is returned even if ctx has ended.
func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	for {
		if msg, ok := c.cur.next(); ok {
			c.msgsRecv.Add(1)
			c.msgRecv.Add(uint64(len(msg)))
			return msg, nil
		}
		c.mu.Lock()
		more := c.in.next(&c.cur)
		err := c.err
		c.mu.Unlock()
		if more {
			signal(c.space)
			continue
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-c.ready:
		case <-c.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// MaxSize implements core.Conn.
func (c *conn) MaxSize(d core.Delivery) int { return maxSize(d) }

func maxSize(d core.Delivery) int {
	if d == core.Unreliable {
		return MaxUnreliable
	}
	return MaxReliable
}

// Close implements core.Conn.
func (c *conn) Close(code core.Code, reason string) error {
	c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)}, flush)
	<-c.gone
	return nil
}

// Drop implements core.Dropper.
func (c *conn) Drop(code core.Code, reason string) {
	if !c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)}, reset) {
		c.kill(reset) // it may linger
	}
}

// PeerIdentity implements core.Identifier: on a client's connection it is the
// server's pin, on a server's it is empty.
func (c *conn) PeerIdentity() string { return c.pin }

// RemoteAddr implements core.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// Stats implements core.Conn. RTT stays 0.
func (c *conn) Stats() core.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return core.Stats{
		MessagesSent: c.out.sent,
		BytesSent:    c.out.sentBytes,
		Dropped:      c.out.dropped,
		Queued:       c.out.waiting + c.out.flying,
		MessagesRecv: c.msgsRecv.Load(),
		BytesRecv:    c.msgRecv.Load(),
	}
}

// end ends the connection, unless it has ended, and reports whether it did. The
// goroutines take it from there; the socket is closed after the linger at the latest.
func (c *conn) end(why *core.CloseError, how ending) bool {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return false
	}
	if c.broken != nil {
		how = abort // the writer is gone
	}
	c.err, c.how = why, how
	if how != flush {
		c.out.discard()
	}
	switch how {
	case farewell, flush, answer:
		c.cut = time.AfterFunc(c.cfg.Linger, func() { c.kill(abort) })
	case lastWord:
		c.cut = time.AfterFunc(min(c.cfg.Linger, shortLinger), func() { c.kill(abort) })
	}
	close(c.done)
	c.mu.Unlock()
	if how == abort || how == reset {
		c.kill(how)
	}
	return true
}

// kill closes the socket at once, which ends the goroutines.
func (c *conn) kill(how ending) {
	if how == reset {
		resetOnClose(c.raw)
	}
	c.raw.Close()
}

// exit is the last thing that each goroutine does.
func (c *conn) exit() {
	c.mu.Lock()
	c.running--
	last := c.running == 0
	cut := c.cut
	if last { // whoever keeps the conn need not keep its memory
		c.out.reliable, c.out.unreliable = queue{}, queue{}
		c.out.waiting, c.out.flying = 0, 0
		c.in.frees, c.in.free = 0, [freeBlocks][]byte{}
	}
	c.mu.Unlock()
	if !last {
		return
	}
	if cut != nil {
		cut.Stop()
	}
	c.raw.Close()
	close(c.gone)
}

// ended reports why the connection has ended, or nil.
func (c *conn) ended() *core.CloseError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
