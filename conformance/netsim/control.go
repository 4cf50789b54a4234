package netsim

import "time"

// SetLink puts link on both directions of this connection, until the next
// SetLink or SetLinks here or of the Transport.
func (c *Conn) SetLink(link Link) { c.SetLinks(link, link) }

// SetLinks is SetLink with a link of its own for each direction: up leads from
// the dialer to the Listener, down to the dialer.
func (c *Conn) SetLinks(up, down Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.configure(up.clean(), down.clean())
}

func (c *Conn) configure(up, down Link) {
	out, in := up, down
	if !c.dialed {
		out, in = down, up
	}
	if c.sim.AtSender {
		in = Link{}
	}
	c.out.link, c.in.link = out, in
}

// Blackout makes this connection dark for d from now on; see Transport.Blackout.
// If the Transport is AtSender, that concerns only what this end sends.
func (c *Conn) Blackout(d time.Duration) {
	c.alter(thisConn, func(o *outage) { o.blackout(now(), d) })
}

// Cut makes this connection dark until Heal.
func (c *Conn) Cut() { c.alter(thisConn, func(o *outage) { o.cut = true }) }

// Heal ends Cut and Blackout of this connection, but not those of the Transport.
func (c *Conn) Heal() { c.alter(thisConn, func(o *outage) { o.heal(now()) }) }

func (c *Conn) alter(which int, change func(*outage)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := now()
	c.refresh(t) // what waits for an outage that is over goes by that one
	change(&c.outages[which])
	c.refresh(t)
	c.arm(t)
	c.rouse()
}

// brightIn returns how long what is held on its way in has to wait, if that is
// known.
func (c *Conn) brightIn(t time.Duration) (time.Duration, bool) {
	if c.in.held == 0 || c.outages[everyConn].cut || c.outages[thisConn].cut {
		return 0, false
	}
	return c.healed() - t, true
}

func (c *Conn) dark(t time.Duration) bool {
	return c.outages[everyConn].dark(t) || c.outages[thisConn].dark(t)
}

// healed returns when the last outage ended, or will end by itself.
func (c *Conn) healed() time.Duration {
	return max(c.outages[everyConn].until, c.outages[thisConn].until)
}

// refresh brings the state up to the instant t: it sends on what was held, and
// ends the connection if the peer's goodbye has arrived.
func (c *Conn) refresh(t time.Duration) {
	if c.out.held+c.in.held > 0 && !c.dark(t) {
		c.out.unhold(c.healed())
		c.in.unhold(c.healed())
	}
	if p := c.in.tail; c.err == nil && p != nil && p.goodbye && !p.held && p.due <= t {
		c.end(c.farewell, p.due)
	}
}
