package udp

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/internal/arq"
	"github.com/parley-net/parley/transport/internal/gate"
)

var (
	_ core.Conn       = (*conn)(nil)
	_ core.Dropper    = (*conn)(nil)
	_ core.Identifier = (*conn)(nil)
	_ gate.Handler    = (*conn)(nil)
	_ gate.Source     = (*conn)(nil)
)

// lastWords is how much of the linger is kept for the goodbye.
const lastWords = 250 * time.Millisecond

// keptBuffer is the size of the largest buffer that waits for the next Recv.
const keptBuffer = 32 << 10

// conn is a connection. It has no goroutine of its own: it works in those of its
// callers, of the socket, and of its timer.
type conn struct {
	link  *gate.Link
	cfg   *Config
	ready chan struct{} // Recv has something to take
	done  chan struct{} // closed when err is set

	buf []byte // for Recv alone: where the last message stands

	mu      sync.Mutex
	arq     *arq.Session
	now     time.Time // of the call that goes on
	written int       // the payload that Next wrote last
	timer   *time.Timer
	at      time.Time // when it fires; zero if it is not set

	err      *core.CloseError // why the connection ended; nil while it lives
	flushing *time.Timer      // set while Close waits for acknowledgements; it ends that
	linger   time.Time        // end of the linger
	over     bool             // Recv has returned err, and nothing may follow
}

func newConn(l *gate.Link, cfg *Config) *conn {
	c := &conn{link: l, cfg: cfg, ready: make(chan struct{}, 1), done: make(chan struct{}), now: time.Now()}
	c.arq = arq.New(arq.Config{Overhead: gate.Overhead, InitialRTT: l.RTT(), Probe: l.Probes()}, c.now)
	return c
}

// Send implements core.Conn.
func (c *conn) Send(d core.Delivery, msg []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.now = time.Now()
	if err := c.arq.Send(c.now, d, msg); err != nil {
		return err
	}
	c.pump()
	return nil
}

// pump sends what may leave now. c.mu is held, and c.now is the time.
func (c *conn) pump() {
	for c.due() && c.link.Send(c.now, c) {
	}
	at := c.arq.Deadline()
	if at.IsZero() || !at.After(c.now) && c.link.Ended() {
		return
	}
	if c.at.IsZero() || at.Before(c.at) {
		c.at = at
		if c.timer == nil {
			c.timer = time.AfterFunc(at.Sub(c.now), c.tick)
		} else {
			c.timer.Reset(at.Sub(c.now))
		}
	}
}

// due reports whether there is something to send at the time of c.now. c.mu is held.
func (c *conn) due() bool {
	at := c.arq.Deadline()
	return !at.IsZero() && !at.After(c.now)
}

// Next implements gate.Source.
func (c *conn) Next(pn uint64, buf []byte) int {
	c.written = c.arq.Next(c.now, pn, buf)
	return c.written
}

// TooBig implements gate.Source.
func (c *conn) TooBig() { c.arq.TooBig(c.now, c.written) }

// tick is called by the timer.
func (c *conn) tick() {
	c.mu.Lock()
	c.at = time.Time{}
	c.now = time.Now()
	c.pump()
	slow := false
	if since := c.arq.StalledSince(); c.err == nil && !since.IsZero() && c.now.Sub(since) >= c.cfg.WriteTimeout {
		slow = true
		c.end(&core.CloseError{Code: core.CodeSlow, Reason: "nothing taken for " + c.cfg.WriteTimeout.String()})
	}
	c.mu.Unlock()
	if slow {
		c.link.Drop(core.CodeSlow, "you have taken nothing for "+c.cfg.WriteTimeout.String())
	}
}

// Packet implements gate.Handler.
func (c *conn) Packet(now time.Time, pn uint64, payload []byte) {
	c.mu.Lock()
	c.now = now
	if err := c.arq.Receive(now, pn, payload); err != nil {
		c.end(&core.CloseError{Code: core.CodeProtocol, Err: err})
		c.link.Drop(core.CodeProtocol, "what you sent is no message")
		c.mu.Unlock()
		return
	}
	c.pump()
	if c.flushing != nil && c.arq.Unacked() == 0 {
		c.farewell()
	}
	readable := c.arq.Readable()
	c.mu.Unlock()
	if readable { // only now, or Recv would wake up to wait for the lock
		signal(c.ready)
	}
}

// Moved implements gate.Handler.
func (c *conn) Moved() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = time.Now()
	c.arq.PathChanged(c.now)
	c.pump()
}

// Ended implements gate.Handler.
func (c *conn) Ended(err *core.CloseError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(err)
	c.stop()
	if c.flushing != nil { // nobody is there to take it
		c.farewell()
	}
}

// end sets why the connection ended, unless that is known. c.mu is held.
func (c *conn) end(why *core.CloseError) bool {
	if c.err != nil {
		return false
	}
	c.err = why
	close(c.done)
	return true
}

// stop stops the timer. c.mu is held.
func (c *conn) stop() {
	if c.timer != nil {
		c.timer.Stop()
	}
}

// signal sets a flag that one goroutine waits for.
func signal(flag chan struct{}) {
	select {
	case flag <- struct{}{}:
	default:
	}
}

// Recv implements core.Conn. What is there is returned even if ctx has ended.
func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	for {
		c.mu.Lock()
		if !c.over {
			if msg, ok := c.arq.Recv(c.buf); ok {
				if c.buf = nil; cap(msg) <= keptBuffer {
					c.buf = msg[:0]
				}
				if c.due() { // there is room again, of which the peer must know
					c.now = time.Now()
					c.pump()
				}
				c.mu.Unlock()
				return msg, nil
			}
		}
		err := c.err
		c.over = err != nil
		c.mu.Unlock()
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
func (c *conn) MaxSize(d core.Delivery) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arq.MaxSize(d)
}

// Close implements core.Conn.
func (c *conn) Close(code core.Code, reason string) error {
	c.mu.Lock()
	if c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)}) {
		c.linger = time.Now().Add(c.cfg.Linger)
		c.flushing = time.AfterFunc(c.cfg.Linger-min(lastWords, c.cfg.Linger/4), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.farewell()
		})
		if c.arq.Unacked() == 0 {
			c.farewell()
		}
	} else if c.flushing == nil {
		c.link.Close(c.err.Code, c.err.Reason, 0) // it has ended, and is given back
	}
	c.mu.Unlock()
	c.link.Wait()
	return nil
}

// farewell ends the flush: what was sent has arrived, or never will. c.mu is held.
func (c *conn) farewell() {
	c.flushing.Stop()
	c.stop()
	c.link.Close(c.err.Code, c.err.Reason, max(time.Until(c.linger), 0))
}

// Drop implements core.Dropper.
func (c *conn) Drop(code core.Code, reason string) {
	c.mu.Lock()
	c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)})
	c.stop()
	if c.flushing != nil {
		c.flushing.Stop()
	}
	c.mu.Unlock()
	c.link.Drop(code, reason)
}

// PeerIdentity implements core.Identifier: on a client's connection it is the server's
// pin, on a server's the user whom the token names.
func (c *conn) PeerIdentity() string { return c.link.Identity() }

// RemoteAddr implements core.Conn.
func (c *conn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.link.Addr()) }

// Stats implements core.Conn.
func (c *conn) Stats() core.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arq.Stats()
}
