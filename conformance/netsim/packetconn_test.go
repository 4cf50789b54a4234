package netsim_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// wantErr checks that err is a *net.OpError of op that wraps target.
func wantErr(t *testing.T, err error, op string, target error) {
	t.Helper()
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != op || !errors.Is(err, target) {
		t.Errorf("error = %v, want a *net.OpError of %q that wraps %v", err, op, target)
	}
}

func TestReadWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{}, 1)
		msg := []byte("hello")
		for _, to := range []net.Addr{
			b.LocalAddr(),
			net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(b.Public().Addr().As16()), b.Public().Port())),
			named(b.LocalAddr().String()),
		} {
			if size, err := a.WriteTo(msg, to); size != 5 || err != nil {
				t.Errorf("WriteTo = %d, %v", size, err)
			}
		}
		clear(msg)
		for _, size := range []int{100, 2, 0} { // a short buffer truncates
			buf := make([]byte, size)
			got, from, err := b.ReadFrom(buf)
			if want := "hello"[:min(size, 5)]; err != nil || string(buf[:got]) != want {
				t.Errorf("ReadFrom = %q, %v; want %q", buf[:got], err, want)
			}
			addr, ok := from.(*net.UDPAddr)
			if !ok || addr.AddrPort() != a.Public() || len(addr.IP) != net.IPv4len {
				t.Errorf("it came from %#v, want %v", from, a.Public())
			}
			addr.IP[0]++ // it is the caller's own
		}
		a.WriteToUDPAddrPort([]byte("self"), a.Public())
		if got := drain(t, a, 0); len(got) != 0 {
			t.Errorf("a deadline that is over let pass %v", got)
		}
		if got := drain(t, a, 1); len(got) != 1 || got[0].data != "self" {
			t.Errorf("%v came from a itself", got)
		}
		for _, to := range []net.Addr{nil, (*net.UDPAddr)(nil), named("arena"), &net.UDPAddr{Port: 5}, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1)}} {
			_, err := a.WriteTo(msg, to)
			wantErr(t, err, "write", syscall.EINVAL)
		}
		_, err := a.WriteTo(make([]byte, netsim.MaxPacket+1), b.LocalAddr())
		wantErr(t, err, "write", syscall.EMSGSIZE)
		_, err = a.WriteToUDPAddrPort(make([]byte, netsim.MaxPacket+1), b.Public())
		wantErr(t, err, "write", syscall.EMSGSIZE)
		if !strings.Contains(err.Error(), b.LocalAddr().String()) {
			t.Errorf("%v does not say where to", err)
		}
		if c := n.Counters(); c.Sent != 4 || c.Delivered != 4 || c.DeliveredBytes != 19 {
			t.Errorf("Counters = %+v", c)
		}
	})
}

// named is an address that is no *net.UDPAddr.
type named string

func (named) Network() string  { return "udp" }
func (a named) String() string { return string(a) }

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := openTwo(t, netsim.PacketLink{}, 1)
		start := time.Now()
		read := func(want time.Duration) {
			t.Helper()
			_, _, err := a.ReadFrom(make([]byte, 10))
			wantErr(t, err, "read", os.ErrDeadlineExceeded)
			var e net.Error
			if !errors.As(err, &e) || !e.Timeout() {
				t.Errorf("%v is no timeout", err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("the read ended after %v, want %v", took, want)
			}
		}
		a.SetReadDeadline(start.Add(50 * ms))
		read(50 * ms)
		read(50 * ms) // again, at once

		// One that is set while the read waits counts: sooner, later, and none.
		for _, tt := range []struct{ first, second, want time.Duration }{
			{time.Hour, 10 * ms, 10 * ms},
			{10 * ms, 30 * ms, 30 * ms},
			{0, 10 * ms, 10 * ms},
			{time.Hour, -time.Hour, 5 * ms},
			{-1, 1, 5 * ms},
		} {
			start = time.Now()
			a.SetReadDeadline(time.Time{})
			if tt.first > 0 {
				a.SetReadDeadline(start.Add(tt.first))
			}
			time.AfterFunc(5*ms, func() { a.SetDeadline(start.Add(tt.second)) })
			read(max(tt.want, 5*ms))
		}

		// One that is over counts even when there is something to read; writes have
		// their own.
		write(t, b, a, "waiting")
		a.SetDeadline(time.Unix(1, 0))
		read(5 * ms)
		_, err := a.WriteTo(nil, b.LocalAddr())
		wantErr(t, err, "write", os.ErrDeadlineExceeded)
		a.SetWriteDeadline(time.Time{})
		write(t, a, b, "written")
		a.SetDeadline(time.Now().Add(time.Hour))
		a.SetReadDeadline(time.Time{})
		if got := drain(t, a, 1); len(got) != 1 {
			t.Errorf("%v was read after the deadline was taken back", got)
		}
	})
}

func TestPacketConnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{}, 1)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, _, err := a.ReadFrom(make([]byte, 10))
				wantErr(t, err, "read", net.ErrClosed)
			})
		}
		synctest.Wait()
		if err := a.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		wg.Wait()
		wantErr(t, a.Close(), "close", net.ErrClosed)
		_, _, err := a.ReadFromUDPAddrPort(nil)
		wantErr(t, err, "read", net.ErrClosed)
		_, err = a.WriteTo(nil, b.LocalAddr())
		wantErr(t, err, "write", net.ErrClosed)
		wantErr(t, a.SetDeadline(time.Now()), "set", net.ErrClosed)
		wantErr(t, a.SetReadBuffer(1), "set", net.ErrClosed)
		wantErr(t, a.SetWriteBuffer(1), "set", net.ErrClosed)
		_, err = a.Rebind("", false)
		wantErr(t, err, "rebind", net.ErrClosed)
		if a.LocalAddr() == nil {
			t.Error("LocalAddr is gone")
		}
		if conns := n.Conns(); len(conns) != 1 || conns[0] != b {
			t.Errorf("Conns = %v, want b", conns)
		}
	})
}

// What was sent before Close arrives; what comes afterwards vanishes, and so does what
// was not read.
func TestCloseAndPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 50 * ms}}, 1)
		write(t, a, b, "last")
		write(t, b, a, "too late")
		a.Close()
		if got := drain(t, b, time.Second); len(got) != 1 || got[0].at != 50*ms {
			t.Errorf("%v arrived from one that was closed", got)
		}
		write(t, b, a, "nobody there")
		write(t, b, b, "unread")
		time.Sleep(time.Second)
		addr := b.LocalAddr().String()
		b.Close()
		again := open(t, n, addr)
		if got := drain(t, again, time.Second); len(got) != 0 {
			t.Errorf("%v waited for another PacketConn", got)
		}
		if c := n.Counters(); c.Unreachable != 2 || c.Delivered != 2 {
			t.Errorf("Counters = %+v", c)
		}
	})
}

func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ buffer, size, fit int }{
			{0, 500, 1}, // one always fits
			{1064, 1000, 1},
			{3000, 0, 46},
			{3192, 1000, 3},
		} {
			n, a, b := openTwo(t, netsim.PacketLink{}, 1)
			b.SetReadBuffer(tt.buffer)
			for range 2 {
				for range 100 {
					write(t, a, b, string(make([]byte, tt.size)))
				}
				if got := drain(t, b, time.Second); len(got) != tt.fit {
					t.Errorf("%d packets of %d fit into %d, want %d", len(got), tt.size, tt.buffer, tt.fit)
				}
			}
			c := n.Route(netsim.Any, b.Public()).Counters()
			if c.Overflow != uint64(200-2*tt.fit) || c.Delivered != uint64(2*tt.fit) {
				t.Errorf("Counters = %+v", c)
			}
		}
	})
}
