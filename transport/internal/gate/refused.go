package gate

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// nobodyAt reports whether the system says that nobody listens at an address of this
// machine. From elsewhere such word comes by ICMP, which anybody can forge, so that
// only time can tell; here the second packet of a connected socket knows what became of
// the first. The packet is one that a gate drops.
func nobodyAt(addr netip.AddrPort) bool {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	defer c.Close()
	for range 2 {
		if _, err = c.Write([]byte{0}); err != nil {
			break
		}
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
