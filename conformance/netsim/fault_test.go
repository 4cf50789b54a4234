package netsim_test

import (
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

func TestFailReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := openTwo(t, netsim.PacketLink{}, 1)
		read := func() error {
			_, _, err := b.ReadFrom(make([]byte, 10))
			return err
		}
		write(t, a, b, "first")
		b.FailReads(syscall.ECONNREFUSED, syscall.ENOBUFS)
		b.FailReads(syscall.EAGAIN)
		wantErr(t, read(), "read", syscall.ECONNREFUSED)
		wantErr(t, read(), "read", syscall.ENOBUFS)
		wantErr(t, read(), "read", syscall.EAGAIN)
		if err := read(); err != nil {
			t.Errorf("the packet is lost: %v", err)
		}
		waits := make(chan error)
		go func() { waits <- read() }()
		synctest.Wait()
		b.FailReads(syscall.ECONNRESET)
		wantErr(t, <-waits, "read", syscall.ECONNRESET)
	})
}

func TestFailWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{}, 1)
		a.FailWrites(syscall.ENOBUFS, syscall.EMSGSIZE)
		_, err := a.WriteTo([]byte("x"), b.LocalAddr())
		wantErr(t, err, "write", syscall.ENOBUFS)
		_, err = a.WriteToUDPAddrPort([]byte("x"), b.Public())
		wantErr(t, err, "write", syscall.EMSGSIZE)
		if sent := n.Counters().Sent; sent != 0 {
			t.Errorf("%d packets were sent by writes that failed", sent)
		}
		write(t, a, b, "x")
		if got := drain(t, b, time.Second); len(got) != 1 {
			t.Errorf("%v arrived, want one packet", got)
		}
	})
}

func TestNextPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.NewNetwork(1)
		host := n.Host("127.0.0.1")
		want := func(c *netsim.PacketConn, port uint16) {
			t.Helper()
			if got := netsim.AddrOf(c.LocalAddr()); got != netip.AddrPortFrom(got.Addr(), port) {
				t.Errorf("the address is %v, want port %d", got, port)
			}
		}
		first := open(t, n, "")
		want(first, 49152)
		want(open(t, n, ""), 49153)
		host.NextPort(49152)
		want(open(t, n, ""), 49154) // the others are taken
		first.Close()
		host.NextPort(49152)
		want(open(t, n, ""), 49152)
		host.NextPort(65535)
		want(open(t, n, ""), 65535)
		host.NextPort(1)
		want(open(t, n, ""), 49155)
	})
}
