package tcp

import (
	"net"
	"syscall"
	"testing"
)

func TestSocketOptions(t *testing.T) {
	a, _ := pair(t, Config{})
	control, err := a.raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	control.Control(func(fd uintptr) {
		for _, o := range []struct {
			name         string
			option, want int
		}{
			{"TCP_NODELAY", syscall.TCP_NODELAY, 1},
			{"TCP_NOTSENT_LOWAT", tcpNotSentLowat, unsentLimit},
			{"TCP_THIN_LINEAR_TIMEOUTS", tcpThinLinearTimeouts, 1},
		} {
			if got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, o.option); err != nil || got != o.want {
				t.Errorf("%s is %d, %v; want %d", o.name, got, err, o.want)
			}
		}
		longest, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRTOMaxMillis)
		if err != nil {
			t.Logf("this kernel has no TCP_RTO_MAX_MS: %v", err)
		} else if longest != 1000 {
			t.Errorf("TCP_RTO_MAX_MS is %d, want 1000", longest)
		}
	})
}
