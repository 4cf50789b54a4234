package mem

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/parley-net/parley/core"
)

var (
	_ core.Conn    = (*conn)(nil)
	_ core.Dropper = (*conn)(nil)
)

// A pair is one connection: two ends, one lock. Close touches both directions
// at once, so that neither end ever sees half of it.
type pair struct {
	mu            sync.Mutex
	limits        limits
	dialer, other conn
	up, down      queue // towards other, towards dialer
}

// A conn is one end. The lock of the pair guards all but the fields that never
// change and held, which belongs to Recv.
type conn struct {
	pair    *pair
	in, out *queue
	peer    *conn
	remote  address
	err     *core.CloseError // why the connection ended; nil while it lives
	held    *packet          // what the last Recv returned
}

// Pipe returns the two ends of one connection, without a Transport: what one end
// sends the other receives, as with net.Pipe, through the queues of the zero Transport.
// An adapter that gives one end to its user and moves messages between the other and its
// own medium has queues, order and the end of a connection as the contract asks.
func Pipe() (a, b core.Conn) { return newPair(new(Transport).limits(), "pipe", "pipe") }

func newPair(lim limits, dialer, other address) (client, server *conn) {
	p := &pair{limits: lim}
	p.up.init(&p.limits)
	p.down.init(&p.limits)
	p.dialer = conn{pair: p, in: &p.down, out: &p.up, peer: &p.other, remote: other}
	p.other = conn{pair: p, in: &p.up, out: &p.down, peer: &p.dialer, remote: dialer}
	return &p.dialer, &p.other
}

func (c *conn) Send(d core.Delivery, msg []byte) error {
	if d > core.Reliable {
		return core.Errorf(core.ErrUnsupported, "parley: send: no such thing as %s", d)
	}
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if most := c.pair.limits.size[d]; len(msg) > most {
		return &core.TooLargeError{Size: len(msg), Max: most, Delivery: d}
	}
	if !c.out.push(d, msg) {
		return core.ErrBackpressure
	}
	return nil
}

func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	if c.held != nil {
		c.held.release()
		c.held = nil
	}
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	for {
		if p := c.in.pop(); p != nil {
			c.held = p
			return p.data, nil
		}
		if c.err != nil {
			return nil, c.err
		}
		if err := c.in.wait(ctx, &c.pair.mu); err != nil {
			return nil, err // what came at the same moment is there for the next Recv
		}
	}
}

func (c *conn) MaxSize(d core.Delivery) int {
	if d == core.Unreliable {
		return c.pair.limits.size[core.Unreliable]
	}
	return c.pair.limits.size[core.Reliable]
}

// Close does not wait: the peer's queue outlives the connection, so what was sent
// before arrives whenever the peer reads it.
func (c *conn) Close(code core.Code, reason string) error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	c.end(code, reason)
	return nil
}

// Drop is Close without linger: what the peer has not read yet is thrown away.
// The peer learns code and reason.
func (c *conn) Drop(code core.Code, reason string) {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	c.end(code, reason)
	c.out.clear()
}

func (c *conn) end(code core.Code, reason string) {
	if c.err != nil {
		return // the first code and reason count, whoever gave them
	}
	reason = core.CutReason(reason)
	c.err = &core.CloseError{Code: code, Reason: reason}
	c.peer.err = &core.CloseError{Code: code, Reason: reason, Remote: true}
	c.in.rouse()
	c.out.rouse()
}

// refused returns why the connection ended if it was turned away, else nil.
func (c *conn) refused() error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.err != nil && errors.Is(c.err, core.ErrRefused) {
		return c.err
	}
	return nil
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }

// LastDelivery returns what the message that Recv returned last was sent with. It
// belongs to the goroutine that calls Recv. netsim.Teller is this ability.
func (c *conn) LastDelivery() core.Delivery {
	if c.held == nil {
		return core.Reliable
	}
	return c.held.delivery
}

// Stats counts a message as sent when Send takes it and as received when Recv
// returns it. Queued is what the peer's Recv has not returned yet.
func (c *conn) Stats() core.Stats {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	return core.Stats{
		MessagesSent: c.out.pushed.messages,
		BytesSent:    c.out.pushed.bytes,
		MessagesRecv: c.in.popped.messages,
		BytesRecv:    c.in.popped.bytes,
		Dropped:      c.out.dropped,
		Queued:       c.out.load[core.Unreliable].bytes + c.out.load[core.Reliable].bytes,
	}
}
