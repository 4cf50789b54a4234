package tcp

import (
	"net"
	"syscall"
)

// tune prepares a socket for messages that age quickly. What a system does not know
// is left as it is: each of these makes things better and nothing depends on it.
func tune(c net.Conn) {
	if t, ok := c.(interface{ SetNoDelay(bool) error }); ok {
		t.SetNoDelay(true)
	}
	if boundedSendBuffer > 0 {
		if t, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
			t.SetWriteBuffer(boundedSendBuffer)
		}
	}
	if s, ok := c.(syscall.Conn); ok && tuneSocket != nil {
		if control, err := s.SyscallConn(); err == nil {
			control.Control(tuneSocket)
		}
	}
}

// unsentLimit is how many bytes the kernel takes from us before the peer's window and
// the network let them go. What is kept back here can still be dropped for newer
// messages.
const unsentLimit = 16 << 10

// resetOnClose makes the next Close send a RST.
func resetOnClose(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		t.SetLinger(0)
	}
}
