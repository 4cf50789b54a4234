package identity

import (
	"net"
	"net/netip"

	"github.com/parley-net/parley/core"
)

// Verify decides whether a client trusts the server at addr that has proven to own
// the keys pub. Every adapter calls it before it sends anything of its user's.
//
// With a pin (as Split returns it), the keys must have that pin, wherever the
// server is. Without one, any key is accepted if addr is on loopback or in a
// simulated network (see [Local]), and none elsewhere. addr is where the connection
// leads, after names were resolved; nil means that nobody knows, and counts as
// elsewhere.
//
// The error wraps core.ErrUntrusted and says what happened and what to do. It is
// meant to stand behind the words "dial ADDRESS: ".
func Verify(addr net.Addr, pin string, pub PublicKeys) error {
	if pin == "" {
		if Local(addr) {
			return nil
		}
		// The key that was seen is not shown here: pasted into the address it
		// would make any impostor the right server.
		return core.Errorf(core.ErrUntrusted, "the address has no pin, so %s could be anybody's: "+
			"use the whole address that the server prints, which ends in \"#\" and %d characters, "+
			"or ask whoever runs the server for it", describe(addr), PinSize)
	}
	want, err := parsePin(pin)
	if err != nil {
		return core.Errorf(core.ErrUntrusted, "%w", err)
	}
	if seen := pub.Pin(); !samePin(seen, want) {
		return core.Errorf(core.ErrUntrusted, "%s is not the one that the address pins: "+
			"expected pin %s, seen %s: if the server was set up anew, ask whoever runs it for "+
			"the address that it prints now; otherwise somebody else answers in its place",
			describe(addr), want, seen)
	}
	return nil
}

// Local reports whether addr needs no pin: no stranger can be between here and
// there. That is so for loopback addresses, for Unix sockets, and for addresses
// that are no IP addresses, as simulated networks in memory have them.
func Local(addr net.Addr) bool {
	switch a := addr.(type) {
	case nil:
		return false
	case *net.TCPAddr:
		return a != nil && a.IP.IsLoopback()
	case *net.UDPAddr:
		return a != nil && a.IP.IsLoopback()
	case *net.IPAddr:
		return a != nil && a.IP.IsLoopback()
	case *net.UnixAddr:
		return a != nil
	}
	host := addr.String()
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || ip.Unmap().IsLoopback()
}

func describe(addr net.Addr) string {
	if addr == nil {
		return "the server"
	}
	return "the server at " + addr.String()
}
