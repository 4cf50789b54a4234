//go:build !linux

package gate

import "net"

// tune asks for large buffers. Whether packets are cut in pieces on their way cannot
// be told here, so it is taken for granted, and none longer than MinDatagram is tried.
func tune(pc net.PacketConn) (unfragmented bool) {
	if c, ok := pc.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		c.SetReadBuffer(receiveBuffer) // what the kernel grants must do
		c.SetWriteBuffer(sendBuffer)
	}
	return false
}

func (s *socket) newReader() reader { return &one{s: s} }
