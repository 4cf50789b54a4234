package netsim

import (
	"context"
	"errors"
	"time"

	"github.com/parley-net/parley/core"
)

// retry is how soon a Reliable message that the inner Conn had no room for is
// tried again.
const retry = 5 * time.Millisecond

// pass hands a message to the inner Conn. When the peer has closed, that is not
// known here before its goodbye arrives, and the message just vanishes.
func (c *Conn) pass(d core.Delivery, msg []byte) error {
	err := c.inner.Send(d, msg)
	if err != nil && closedByPeer(err) {
		return nil
	}
	return err
}

func closedByPeer(err error) bool {
	var closed *core.CloseError
	return errors.As(err, &closed) && closed.Remote
}

// arm sets the timer for what arrives next at the inner Conn.
func (c *Conn) arm(t time.Duration) {
	var at time.Duration
	p := c.out.first()
	switch {
	case c.out.held > 0 && !c.outages[everyConn].cut && !c.outages[thisConn].cut:
		if at = c.healed(); p != nil {
			at = min(at, p.due)
		}
	case p != nil:
		at = p.due
	default:
		return
	}
	if c.armed != 0 && c.armed <= at {
		return
	}
	c.armed = at
	if c.timer == nil {
		c.timer = time.AfterFunc(at-t, c.deliver)
	} else {
		c.timer.Reset(at - t)
	}
}

// deliver hands what is due to the inner Conn. It runs on the timer's goroutine.
func (c *Conn) deliver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = 0
	t := now()
	c.refresh(t)
	for p := c.out.first(); p != nil && p.due <= t; p = c.out.first() {
		if p.goodbye {
			c.out.remove(p)
			close(c.flushed)
			continue
		}
		err := c.pass(p.delivery, p.data)
		if errors.Is(err, core.ErrBackpressure) && p.delivery == core.Reliable {
			p.due = t + retry
			c.out.lastDue = max(c.out.lastDue, p.due)
			continue
		}
		fatal := p.delivery == core.Reliable || errors.Is(err, core.ErrClosed)
		c.out.remove(p)
		if err != nil && fatal && c.err == nil {
			c.fail(err, t)
		}
	}
	c.arm(t)
}

// fail ends the connection with what the inner Conn said of itself.
func (c *Conn) fail(err error, t time.Duration) {
	if !errors.Is(err, core.ErrClosed) {
		err = &core.CloseError{Code: core.CodeLost, Err: err}
	}
	c.out.clear()
	c.end(err, t)
}

// pump takes what comes in from the inner Conn and puts it on its way to Recv.
func (c *Conn) pump(ctx context.Context) {
	defer close(c.done)
	for {
		msg, err := c.inner.Recv(ctx)
		c.mu.Lock()
		if err != nil {
			c.innerEnded(err)
			c.mu.Unlock()
			return
		}
		d := core.Reliable
		if c.teller != nil {
			d = c.teller.LastDelivery()
		}
		c.arrive(d, msg)
		c.mu.Unlock()
	}
}

// arrive puts one message on its way in. It releases the lock while a Reliable
// one has to wait for room: the inner Conn's queue then fills up in its turn.
func (c *Conn) arrive(d core.Delivery, msg []byte) {
	t := now()
	dark := c.darkIn(t)
	fate := c.in.draw(d)
	wait, ok := c.in.queue(d, len(msg), t, dark)
	if fate.lost || !ok {
		c.in.lost++
		return
	}
	for d == core.Reliable && c.in.full(d, len(msg)) && c.err == nil {
		c.stalled = true
		c.mu.Unlock()
		<-c.room
		c.mu.Lock()
	}
	if c.refresh(now()); c.err != nil {
		return
	}
	p := newPacket(d, msg)
	p.delay = fate.delay + wait
	c.in.lost += uint64(c.in.push(p, t, dark))
	c.rouse()
}

// darkIn reports whether what comes in meets an outage.
func (c *Conn) darkIn(t time.Duration) bool {
	return !c.sim.AtSender && c.dark(t)
}

// innerEnded puts the peer's goodbye on its way, behind all that is Reliable. An
// end that the inner Conn came to by itself is known at once.
func (c *Conn) innerEnded(err error) {
	t := now()
	c.dead = true
	close(c.gone)
	c.out.clear()
	if c.err != nil {
		return
	}
	if !closedByPeer(err) {
		c.fail(err, t)
		return
	}
	c.farewell = err
	p := newPacket(core.Reliable, nil)
	p.goodbye = true
	p.delay = c.in.draw(core.Reliable).delay
	c.in.push(p, t, c.darkIn(t))
	c.refresh(t)
	c.rouse()
}
