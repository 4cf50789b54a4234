package gate

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// packetConn is what a *net.UDPConn has and a net.PacketConn need not: addresses
// without allocation.
type packetConn interface {
	ReadFromUDPAddrPort(b []byte) (n int, addr netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
}

// socket is a socket of datagrams and the goroutine that reads it.
type socket struct {
	pc           net.PacketConn
	fast         packetConn // nil if pc cannot
	unfragmented bool       // what is too long is lost, and not cut in pieces
	closing      atomic.Bool
	done         chan struct{} // closed when the goroutine has ended
}

func newSocket(pc net.PacketConn) *socket {
	s := &socket{pc: pc, done: make(chan struct{})}
	s.fast, _ = pc.(packetConn)
	s.unfragmented = tune(pc)
	return s
}

// Sizes that the kernel is asked for, in bytes: a tick of a full server must fit.
const (
	receiveBuffer = 4 << 20
	sendBuffer    = 1 << 20
)

// read gives each packet to take, on a goroutine of its own, until the socket is
// closed. No error but that ends it: what one peer causes must not hurt the others.
func (s *socket) read(take func(p []byte, from netip.AddrPort), ended func()) {
	defer close(s.done)
	const shortest, longest = time.Millisecond, time.Second
	pause := shortest
	r := s.newReader()
	for {
		err := r.read(take)
		switch {
		case err == nil:
			pause = shortest
		case errors.Is(err, net.ErrClosed):
			ended()
			return
		case s.closing.Load():
			ended()
			return
		default:
			time.Sleep(pause)
			pause = min(2*pause, longest)
		}
	}
}

// reader reads some packets at a time.
type reader interface {
	read(take func(p []byte, from netip.AddrPort)) error
}

// one reads one packet at a time.
type one struct {
	s   *socket
	buf [maxReceive]byte
}

// maxReceive is the room for a packet: a longer one is not ours.
const maxReceive = 2048

func (r *one) read(take func([]byte, netip.AddrPort)) error {
	n, from, err := r.s.readFrom(r.buf[:])
	if err != nil {
		return err
	}
	take(r.buf[:n], from)
	return nil
}

func (s *socket) readFrom(b []byte) (int, netip.AddrPort, error) {
	if s.fast != nil {
		n, from, err := s.fast.ReadFromUDPAddrPort(b)
		return n, canonical(from), err
	}
	n, addr, err := s.pc.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, addrPort(addr), nil
}

// write sends a packet.
func (s *socket) write(p []byte, to netip.AddrPort) (err error) {
	if s.fast != nil {
		_, err = s.fast.WriteToUDPAddrPort(p, to)
	} else {
		_, err = s.pc.WriteTo(p, net.UDPAddrFromAddrPort(to))
	}
	return err
}

// close closes the socket. It does not wait for the goroutine.
func (s *socket) close() {
	s.closing.Store(true)
	s.pc.Close()
}

// wait waits for the goroutine, if the socket was closed.
func (s *socket) wait() {
	if s.closing.Load() {
		<-s.done
	}
}

// canonical makes equal what is the same address.
func canonical(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4In6() {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return a
}

// addrPort returns the address of a packet as a netip.AddrPort; the zero one if it is
// of another kind.
func addrPort(addr net.Addr) netip.AddrPort {
	if udp, ok := addr.(*net.UDPAddr); ok && udp != nil {
		return canonical(udp.AddrPort())
	}
	if addr == nil {
		return netip.AddrPort{}
	}
	a, _ := netip.ParseAddrPort(addr.String())
	return canonical(a)
}
