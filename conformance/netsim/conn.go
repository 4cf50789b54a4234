package netsim

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// Teller is the ability of a Conn to tell what the message that Recv returned
// last was sent with. It belongs to the goroutine that calls Recv.
type Teller interface{ LastDelivery() core.Delivery }

var (
	_ core.Conn    = (*Conn)(nil)
	_ core.Dropper = (*Conn)(nil)
	_ Teller       = (*Conn)(nil)
)

// A Conn is a connection over a simulated link. Like any core.Conn it is safe for
// concurrent use but for Recv and LastDelivery. One goroutine takes what comes in
// from the inner Conn; it ends when either side closes. core.As[*netsim.Conn]
// finds it under other wrappers.
type Conn struct {
	sim    *Transport
	inner  core.Conn
	teller Teller // nil if inner is none
	dialed bool

	cancel  context.CancelFunc // of the pump
	done    chan struct{}      // closed when the pump has ended
	gone    chan struct{}      // closed when inner has ended
	flushed chan struct{}      // closed when our goodbye came to its turn
	wake    chan struct{}      // for Recv
	room    chan struct{}      // for the pump

	alarm *time.Timer // Recv's, which alone touches it
	given *packet     // what Recv returned last

	mu       sync.Mutex
	out, in  flow
	outages  [2]outage
	err      error // why the connection ended for the user; nil while it lives
	farewell error // with which inner ended, on its way to the user
	dead     bool  // inner has ended
	closing  bool
	asleep   bool          // Recv is
	stalled  bool          // the pump is
	timer    *time.Timer   // runs deliver
	armed    time.Duration // when; 0 if it is not going to
	stats    core.Stats
}

// Indexes of Conn.outages.
const (
	everyConn = iota
	thisConn
)

func newConn(t *Transport, inner core.Conn, dialed bool, number uint64) *Conn {
	c := &Conn{
		sim: t, inner: inner, dialed: dialed,
		done: make(chan struct{}), gone: make(chan struct{}), flushed: make(chan struct{}),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	c.teller, _ = core.As[Teller](inner)
	for _, f := range []*flow{&c.out, &c.in} {
		f.rng = generator(t.seed, number, (f == &c.out) == dialed)
		if f.bytes = t.QueueBytes; f.bytes <= 0 {
			f.bytes = DefaultQueueBytes
		}
		if f.messages = t.QueueMessages; f.messages <= 0 {
			f.messages = DefaultQueueMessages
		}
	}
	return c
}

// Unwrap returns the Conn that c wraps.
func (c *Conn) Unwrap() core.Conn { return c.inner }

// Send puts msg on its way. A message that the link loses was sent: it counts in
// Stats, and there is no error.
func (c *Conn) Send(d core.Delivery, msg []byte) error {
	if d > core.Reliable {
		return core.Errorf(core.ErrUnsupported, "parley: send: no such thing as %s", d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := now()
	if c.refresh(t); c.err != nil {
		return c.err
	}
	if most := c.inner.MaxSize(d); len(msg) > most {
		return &core.TooLargeError{Size: len(msg), Max: most, Delivery: d}
	}
	if d == core.Reliable && c.out.full(d, len(msg)) {
		return core.ErrBackpressure
	}
	fate, dark := c.out.draw(d), c.dark(t)
	wait, ok := c.out.queue(d, len(msg), t, dark)
	switch {
	case fate.lost || !ok:
		c.out.lost++
	case c.dead: // and we do not know yet
	case fate.delay+wait == 0 && (d == core.Unreliable || !dark && c.out.head == nil):
		if err := c.pass(d, msg); err != nil {
			return err
		}
	default:
		p := newPacket(d, msg)
		p.delay = fate.delay + wait
		c.stats.Dropped += uint64(c.out.push(p, t, dark))
		c.arm(t)
	}
	c.stats.MessagesSent++
	c.stats.BytesSent += uint64(len(msg))
	return nil
}

// Recv returns the next message that has arrived, whatever ctx says; then, if the
// connection has ended, its *core.CloseError; else it waits.
func (c *Conn) Recv(ctx context.Context) ([]byte, error) {
	if c.given != nil {
		c.given.release()
		c.given = nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		t := now()
		c.refresh(t)
		p := c.in.first()
		if p != nil && (p.due <= t || c.err != nil) {
			c.in.take(p)
			c.unstall()
			if p.goodbye {
				p.release()
				continue
			}
			c.given = p
			c.stats.MessagesRecv++
			c.stats.BytesRecv += uint64(len(p.data))
			return p.data, nil
		}
		if c.err != nil {
			return nil, c.err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.sleep(ctx, p, t)
	}
}

// sleep releases the lock until p is due, something happens, or ctx ends.
func (c *Conn) sleep(ctx context.Context, p *packet, t time.Duration) {
	var alarm <-chan time.Time
	wait, ok := c.brightIn(t)
	if p != nil && (!ok || p.due-t < wait) {
		wait, ok = p.due-t, true
	}
	if ok {
		if c.alarm == nil {
			c.alarm = time.NewTimer(wait)
		} else {
			c.alarm.Reset(wait)
		}
		alarm = c.alarm.C
	}
	c.asleep = true
	c.mu.Unlock()
	select {
	case <-c.wake:
	case <-alarm:
	case <-ctx.Done():
	}
	if ok {
		c.alarm.Stop()
	}
	c.mu.Lock()
	c.asleep = false
	select { // woken as well
	case <-c.wake:
	default:
	}
}

// end ends the connection for the user: what arrived by the instant last can
// still be received.
func (c *Conn) end(err error, last time.Duration) {
	c.err = err
	c.in.trim(last)
	c.rouse()
	c.unstall()
}

func (c *Conn) rouse() {
	if c.asleep {
		c.asleep = false
		select {
		case c.wake <- struct{}{}:
		default: // two readers at once, which the contract forbids; never block here
		}
	}
}

func (c *Conn) unstall() {
	if c.stalled {
		c.stalled = false
		c.room <- struct{}{}
	}
}

// MaxSize is that of the inner Conn.
func (c *Conn) MaxSize(d core.Delivery) int { return c.inner.MaxSize(d) }

// RemoteAddr is that of the inner Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.inner.RemoteAddr() }

// LastDelivery returns what the message that Recv returned last was sent with:
// core.Reliable if there is none, or the inner Conn does not tell.
func (c *Conn) LastDelivery() core.Delivery {
	if c.given == nil {
		return core.Reliable
	}
	return c.given.delivery
}

// Stats counts what passed between the user and the link, so that lost messages
// are sent and not received; Lost counts those. Dropped and Queued are what the
// link's own queue and the inner Conn's add up to. RTT is 0, as the inner Conn
// would not see the delay of the link.
func (c *Conn) Stats() core.Stats {
	inner := c.inner.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Dropped += inner.Dropped
	s.Queued = inner.Queued + c.out.load[core.Unreliable].bytes + c.out.load[core.Reliable].bytes
	return s
}

// Lost returns how many messages the link has lost on their way out and in: through
// its Loss, Burst or Queue, in the dark, or because too many were on their way in.
func (c *Conn) Lost() (out, in uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.lost, c.in.lost
}
