package netsim

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
)

// Any is every address, in a Route. An address with port 0 is every port of its host.
var Any netip.AddrPort

// AddrOf returns addr as the methods of a Network take it, or Any if addr is nil or
// no IP address with a port.
func AddrOf(addr net.Addr) netip.AddrPort {
	switch a := addr.(type) {
	case nil:
		return Any
	case *net.UDPAddr:
		if a == nil {
			return Any
		}
		return canonical(a.AddrPort())
	}
	a, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return Any
	}
	return canonical(a)
}

// canonical makes equal what is the same address.
func canonical(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// toNet returns a as the net.Addr of a packet, with one allocation.
func toNet(a netip.AddrPort) *net.UDPAddr {
	type both struct {
		udp net.UDPAddr
		ip  [16]byte
	}
	b := &both{ip: a.Addr().As16()}
	b.udp = net.UDPAddr{IP: b.ip[:], Port: int(a.Port())}
	if a.Addr().Is4() {
		b.udp.IP = b.ip[12:]
	}
	return &b.udp
}

// A Host is one address of a Network: PacketConns that are opened on it without
// naming a host are at that address. It only serves to open them and may be copied.
type Host struct {
	net *Network
	ip  netip.Addr
	err error
}

// loopback is the host of Network.ListenPacket. It is local to those who tell
// strangers by their address.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Host returns the host at ip, as in "203.0.113.7". Any address will do; that of
// Network.ListenPacket is 127.0.0.1.
func (n *Network) Host(ip string) Host {
	a, err := netip.ParseAddr(ip)
	return Host{net: n, ip: a.Unmap().WithZone(""), err: err}
}

// NextPort makes port, or the first behind it that is free, the one that h gives to the
// next PacketConn without a port; later ones get those behind. It is how a program that
// was started again comes by the port that it had before. Ports below 49152 count as
// that.
func (h Host) NextPort(port uint16) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.net.ports[h.ip] = port - 1
}

// ListenPacket opens a PacketConn at addr, "host:port". It has the signature of
// net.ListenConfig's method, for those who take one to open sockets.
//
// network is "udp", "udp4" or "udp6". The host may be any IP address that network
// fits, or "localhost"; if it is missing or unspecified (0.0.0.0, ::) it is
// 127.0.0.1, or ::1 for "udp6". If the port is missing or 0 the host's next one is
// taken, from 49152 on: the first opened gets the first, in every run. Every PacketConn
// has just one address.
//
// Errors are *net.OpErrors, as net's are: one that wraps syscall.EADDRINUSE if the
// address is taken, net.ErrClosed after Close, ctx.Err() if ctx has ended. ctx means
// nothing after that.
func (n *Network) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	return Host{net: n, ip: loopback}.ListenPacket(ctx, network, addr)
}

// ListenPacket is Network.ListenPacket with a missing or unspecified host taken to be
// h. An addr on another host is that other host's.
func (h Host) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	c, err := h.listen(ctx, network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	return c, nil
}

func (h Host) listen(ctx context.Context, network, addr string) (*PacketConn, error) {
	if h.err != nil {
		return nil, h.err
	}
	at, err := h.resolve(network, addr)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	c := &PacketConn{net: n, network: network, limit: DefaultReadBuffer}
	c.ready.L = &n.mu
	if c.public, err = n.bind(c, at); err != nil {
		return nil, err
	}
	c.local = toNet(c.public)
	n.opened++
	c.number = n.opened
	n.conns[c] = struct{}{}
	return c, nil
}

// resolve returns the address that addr names, whose port may be 0.
func (h Host) resolve(network, addr string) (netip.AddrPort, error) {
	switch network {
	case "udp", "udp4", "udp6":
	default:
		return Any, net.UnknownNetworkError(network)
	}
	name, port := "", "0"
	if addr != "" {
		var err error
		if name, port, err = net.SplitHostPort(addr); err != nil {
			return Any, err
		}
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil && port != "" {
		return Any, &net.AddrError{Err: "invalid port", Addr: addr}
	}
	var ip netip.Addr
	if name != "" && name != "localhost" {
		if ip, err = netip.ParseAddr(name); err != nil {
			return Any, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
	}
	switch {
	case name == "localhost":
		ip = loopback
	case !ip.IsValid() || ip.IsUnspecified():
		ip = h.ip
	}
	if network == "udp6" && ip == loopback {
		ip = netip.IPv6Loopback()
	}
	if ip = ip.Unmap().WithZone(""); network == "udp4" && !ip.Is4() || network == "udp6" && ip.Is4() {
		return Any, &net.AddrError{Err: "no suitable address for " + network, Addr: addr}
	}
	return netip.AddrPortFrom(ip, uint16(number)), nil
}

// firstPort is the first that is given to those who ask for none.
const firstPort = 49152

// bind gives c the address at, or the next free port there if at has none.
func (n *Network) bind(c *PacketConn, at netip.AddrPort) (netip.AddrPort, error) {
	if at.Port() == 0 {
		last := n.ports[at.Addr()]
		for range 1<<16 - firstPort {
			if last++; last < firstPort {
				last = firstPort
			}
			if try := netip.AddrPortFrom(at.Addr(), last); n.bound[try] == nil {
				at = try
				break
			}
		}
		n.ports[at.Addr()] = last
	}
	if at.Port() == 0 || n.bound[at] != nil {
		return Any, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	n.bound[at] = c
	return at, nil
}
