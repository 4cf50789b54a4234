package netsim

import (
	"time"

	"github.com/parley-net/parley/core"
)

// Close ends the connection here and now, lets what was sent before travel, and
// sends the goodbye behind it: it returns when that reached the inner Conn, which
// takes the delay of the link and at most Transport.Linger more. If the link is
// still dark by then, what was sent is lost and the peer sees core.CodeTimeout, as
// it would of a peer that went away in the dark.
func (c *Conn) Close(code core.Code, reason string) error {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return nil
	}
	c.closing = true
	t := now()
	c.refresh(t)
	if c.err == nil {
		c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)}, t)
		if wait := c.sayGoodbye(t); wait >= 0 {
			c.mu.Unlock()
			if late := c.linger(wait); late {
				code, reason = core.CodeTimeout, "the link is dark"
			}
			c.mu.Lock()
		}
	}
	c.shut()
	c.mu.Unlock()
	return c.finish(func() error { return c.inner.Close(code, reason) })
}

// Drop ends the connection at once and throws away what is on its way. It drops
// the inner Conn, or closes it if it is no core.Dropper.
func (c *Conn) Drop(code core.Code, reason string) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	c.closing = true
	t := now()
	if c.refresh(t); c.err == nil {
		c.end(&core.CloseError{Code: code, Reason: core.CutReason(reason)}, t)
	}
	c.shut()
	c.mu.Unlock()
	c.finish(func() error {
		if d, ok := core.As[core.Dropper](c.inner); ok {
			d.Drop(code, reason)
			return nil
		}
		return c.inner.Close(code, reason)
	})
}

// sayGoodbye puts our goodbye behind what is on its way out and returns how long
// it may take, or a negative time when there is nothing to wait for.
func (c *Conn) sayGoodbye(t time.Duration) time.Duration {
	if c.dead {
		return -1
	}
	p := newPacket(core.Reliable, nil)
	p.goodbye = true
	p.delay = c.out.draw(core.Reliable).delay
	c.out.push(p, t, c.dark(t))
	if c.out.head == p && !p.held && p.due <= t {
		return -1
	}
	linger := c.sim.Linger
	if linger == 0 {
		linger = core.DefaultLinger
	}
	wait := p.delay
	if !p.held {
		wait = p.due - t
	}
	c.arm(t)
	return wait + max(linger, 0)
}

// linger waits until our goodbye came to its turn or nobody is there to hear it.
// It reports whether the time ran out in the dark.
func (c *Conn) linger(wait time.Duration) (dark bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c.flushed:
		return false
	case <-c.gone:
		return false
	case <-timer.C:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select { // at the same instant
	case <-c.flushed:
		return false
	default:
	}
	return c.dark(now())
}

// shut forgets what is on its way out.
func (c *Conn) shut() {
	c.out.clear()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// finish ends the inner Conn, and with it the pump.
func (c *Conn) finish(end func() error) error {
	err := end()
	c.cancel()
	<-c.done
	c.sim.forget(c)
	return err
}
