package netsim

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultReadBuffer is how many bytes wait at a PacketConn for its reader at most,
// unless SetReadBuffer says otherwise. It is more than most systems give a socket,
// so that a test on a busy machine loses what its links lose and no more.
const DefaultReadBuffer = 1 << 20

// overhead is what a packet that waits counts for beyond its length, so that empty
// ones are bounded too.
const overhead = 64

// A PacketConn is a socket on a Network. Network.ListenPacket and Host.ListenPacket
// open one. It behaves as a *net.UDPConn that is not connected and whose network
// never says that a peer is unreachable, unless FailReads does; the addresses that it
// gives are *net.UDPAddrs. It is safe for concurrent use. It must be closed.
type PacketConn struct {
	net     *Network
	network string
	local   *net.UDPAddr
	number  uint64 // in the order of opening

	// The lock of the Network guards what follows.
	ready      sync.Cond // something to read, the end, or another deadline
	head, tail *datagram
	load       int // bytes that wait, with overhead
	limit      int
	public     netip.AddrPort   // where what it sends comes from
	others     []netip.AddrPort // where it receives as well
	readBy     time.Duration    // deadlines; 0 for none
	writeBy    time.Duration
	alarm      *time.Timer // for readBy
	badReads   failures
	badWrites  failures
	closed     bool
}

// ReadFrom waits for a packet and copies it to b; what does not fit is lost. addr is
// a *net.UDPAddr of the caller's own. Errors are *net.OpErrors that wrap
// net.ErrClosed or os.ErrDeadlineExceeded.
func (c *PacketConn) ReadFrom(b []byte) (n int, addr net.Addr, err error) {
	n, from, err := c.read(b)
	if err != nil {
		return 0, nil, err
	}
	return n, toNet(from), nil
}

// ReadFromUDPAddrPort is ReadFrom without an allocation. IPv4 addresses are just
// that, and not mapped to IPv6.
func (c *PacketConn) ReadFromUDPAddrPort(b []byte) (n int, addr netip.AddrPort, err error) {
	return c.read(b)
}

func (c *PacketConn) read(b []byte) (int, netip.AddrPort, error) {
	n := c.net
	n.mu.Lock()
	defer n.unlock()
	for {
		t := now()
		n.advance(t)
		switch {
		case c.closed:
			return 0, Any, c.error("read", nil, net.ErrClosed)
		case c.readBy != 0 && c.readBy <= t:
			return 0, Any, c.error("read", nil, os.ErrDeadlineExceeded)
		case len(c.badReads) > 0:
			return 0, Any, c.error("read", nil, c.badReads.next())
		case c.head != nil:
			p := c.head
			if c.head = p.next; c.head == nil {
				c.tail = nil
			}
			c.load -= len(p.data) + overhead
			size, from := copy(b, p.data), p.from
			n.release(p)
			return size, from, nil
		case len(n.events) > 0 && !n.telling: // tell them before the wait
			n.unlock()
			n.mu.Lock()
		default:
			c.ready.Wait()
		}
	}
}

// fits reports whether there is room for p. One packet always fits.
func (c *PacketConn) fits(p *datagram) bool {
	return c.head == nil || c.load+len(p.data)+overhead <= c.limit
}

// push gives c a packet that has arrived.
func (c *PacketConn) push(p *datagram) {
	c.load += len(p.data) + overhead
	if c.tail == nil {
		c.head = p
	} else {
		c.tail.next = p
	}
	c.tail = p
	c.ready.Signal()
}

// WriteTo sends a packet to addr: a *net.UDPAddr, or any net.Addr whose String is an
// IP address and a port. It never waits. What the Network loses was sent: there is
// no error. Errors are *net.OpErrors that wrap net.ErrClosed, os.ErrDeadlineExceeded,
// syscall.EMSGSIZE for a packet longer than MaxPacket (or than the MTU of a link with
// MTUError), or syscall.EINVAL for an addr that is none.
func (c *PacketConn) WriteTo(b []byte, addr net.Addr) (n int, err error) {
	return c.write(b, AddrOf(addr), addr)
}

// WriteToUDPAddrPort is WriteTo without an allocation.
func (c *PacketConn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (n int, err error) {
	return c.write(b, canonical(addr), nil)
}

func (c *PacketConn) write(b []byte, to netip.AddrPort, addr net.Addr) (int, error) {
	n := c.net
	n.mu.Lock()
	defer n.unlock()
	t := now()
	var err error
	switch {
	case c.closed:
		err = net.ErrClosed
	case c.writeBy != 0 && c.writeBy <= t:
		err = os.ErrDeadlineExceeded
	case !to.IsValid() || to.Port() == 0:
		err = syscall.EINVAL
	case len(b) > MaxPacket:
		err = syscall.EMSGSIZE
	default:
		if err = c.badWrites.next(); err == nil {
			err = n.send(c.public, to, b, t)
		}
	}
	if err != nil {
		if addr == nil && to.IsValid() {
			addr = toNet(to)
		}
		return 0, c.error("write", addr, err)
	}
	return len(b), nil
}

func (c *PacketConn) error(op string, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: c.network, Source: c.local, Addr: addr, Err: syscallError(op, err)}
}

// LocalAddr returns the *net.UDPAddr at which c was opened. Rebind does not change
// it, as a socket behind a NAT does not see how the world sees it.
func (c *PacketConn) LocalAddr() net.Addr { return c.local }

// Close unblocks all reads, lets the address be opened anew, and throws away what
// was not read. What was sent arrives. Like that of a *net.UDPConn it returns an error
// that wraps net.ErrClosed when c is closed already.
func (c *PacketConn) Close() error {
	c.net.mu.Lock()
	defer c.net.unlock()
	if c.closed {
		return c.error("close", nil, net.ErrClosed)
	}
	c.net.advance(now())
	c.shut()
	return nil
}
