package gate

import (
	"net"
	"testing"
)

func TestNobodyAt(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := addrPort(pc.LocalAddr())
	if nobodyAt(addr) {
		t.Error("somebody listens there")
	}
	pc.Close()
	if !nobodyAt(addr) {
		t.Skip("this system does not tell at once")
	}
}
