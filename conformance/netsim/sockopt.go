package netsim

import (
	"net"
	"net/netip"
	"time"
)

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.setDeadline(t, true, true) }

// SetReadDeadline ends reads with os.ErrDeadlineExceeded from t on, those that wait
// too, until another deadline is set. The zero Time means no deadline.
func (c *PacketConn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, true, false) }

// SetWriteDeadline ends writes with os.ErrDeadlineExceeded from t on. The zero Time
// means no deadline. Writes never wait.
func (c *PacketConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, false, true) }

func (c *PacketConn) setDeadline(t time.Time, read, write bool) error {
	var wait, by time.Duration
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if !t.IsZero() {
		wait = time.Until(t)
		by = max(now()+wait, 1) // what is long ago is a deadline too
	}
	if c.closed {
		return c.error("set", nil, net.ErrClosed)
	}
	if write {
		c.writeBy = by
	}
	if !read {
		return nil
	}
	c.readBy = by
	switch {
	case by == 0:
		if c.alarm != nil {
			c.alarm.Stop()
		}
	case c.alarm == nil:
		c.alarm = time.AfterFunc(wait, c.wake) // at once if the deadline is over
	default:
		c.alarm.Reset(wait)
	}
	return nil
}

func (c *PacketConn) wake() {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.ready.Broadcast()
}

// SetReadBuffer sets how many bytes may wait for a reader; each packet counts for
// 64 more than its length, and what finds no room is lost. One packet always fits.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.error("set", nil, net.ErrClosed)
	}
	c.limit = bytes
	return nil
}

// SetWriteBuffer does nothing, as nothing waits before it is sent. It serves those
// who tune their sockets.
func (c *PacketConn) SetWriteBuffer(int) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.error("set", nil, net.ErrClosed)
	}
	return nil
}

// Public returns the address from which what c sends comes: that of LocalAddr, or
// what Rebind made it.
func (c *PacketConn) Public() netip.AddrPort {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return c.public
}

// Rebind gives c another address, as a NAT does when it forgets a mapping or a phone
// when it changes networks: from now on what c sends comes from there, and what is sent
// there arrives. If keep is set, what is sent to the former addresses arrives as
// well; else it vanishes, and so does what is on its way to them.
//
// addr is as in ListenPacket, and "" means another port of the same host. It may be
// one of the former addresses that were kept. Rebind returns the new address, which
// LocalAddr does not show. Its errors are those of ListenPacket.
func (c *PacketConn) Rebind(addr string, keep bool) (netip.AddrPort, error) {
	n := c.net
	n.mu.Lock()
	defer n.unlock()
	n.advance(now())
	at, err := Host{net: n, ip: c.public.Addr()}.resolve("udp", addr)
	switch {
	case err == nil && c.closed:
		err = net.ErrClosed
	case err == nil && n.bound[at] != c:
		at, err = n.bind(c, at)
	}
	if err != nil {
		return Any, c.error("rebind", nil, err)
	}
	former := append(c.others, c.public)
	c.others, c.public = nil, at
	for _, a := range former {
		switch {
		case a == at:
		case keep:
			c.others = append(c.others, a)
		default:
			delete(n.bound, a)
		}
	}
	return at, nil
}

// shut closes c, which is open.
func (c *PacketConn) shut() {
	n := c.net
	c.closed = true
	delete(n.bound, c.public)
	for _, a := range c.others {
		delete(n.bound, a)
	}
	delete(n.conns, c)
	for p := c.head; p != nil; {
		next := p.next
		n.release(p)
		p = next
	}
	c.head, c.tail, c.load = nil, nil, 0
	if c.alarm != nil {
		c.alarm.Stop()
	}
	c.ready.Broadcast()
}
