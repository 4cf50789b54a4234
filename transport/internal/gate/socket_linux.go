package gate

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tune asks for large buffers, and that no packet be cut in pieces on its way. What
// routers say about the size of packets is ignored, as anybody can forge it
// (CVE-2024-53259): a path shows what it carries by carrying it.
func tune(pc net.PacketConn) (unfragmented bool) {
	if c, ok := pc.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		c.SetReadBuffer(receiveBuffer) // what the kernel grants must do
		c.SetWriteBuffer(sendBuffer)
	}
	c, ok := pc.(syscall.Conn)
	if !ok {
		return true // a simulated network cuts nothing
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var e4, e6 error
	err = raw.Control(func(fd uintptr) {
		e4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		e6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
	return err == nil && (e4 == nil || e6 == nil)
}
