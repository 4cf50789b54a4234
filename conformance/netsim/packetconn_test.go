package netsim_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
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

func TestListenPacket(t *testing.T) {
	n := netsim.NewNetwork(1)
	defer n.Close()
	for _, tt := range []struct{ host, network, addr, want string }{
		{"", "udp", "", "127.0.0.1:49152"},
		{"", "udp4", ":0", "127.0.0.1:49153"},
		{"", "udp", "0.0.0.0:7777", "127.0.0.1:7777"},
		{"", "udp", "[::]:7778", "127.0.0.1:7778"},
		{"", "udp", "localhost:", "127.0.0.1:49154"},
		{"", "udp", "10.1.2.3:7777", "10.1.2.3:7777"},
		{"", "udp", "10.1.2.3:0", "10.1.2.3:49152"},
		{"", "udp6", "", "[::1]:49152"},
		{"", "udp", "[2001:db8::1]:5", "[2001:db8::1]:5"},
		{"", "udp4", "[::ffff:10.0.0.9]:5", "10.0.0.9:5"},
		{"203.0.113.7", "udp", "", "203.0.113.7:49152"},
		{"203.0.113.7", "udp", "0.0.0.0:9", "203.0.113.7:9"},
		{"203.0.113.7", "udp", "127.0.0.1:9", "127.0.0.1:9"},
		{"2001:db8::2", "udp6", ":9", "[2001:db8::2]:9"},
	} {
		listen := n.ListenPacket
		if tt.host != "" {
			listen = n.Host(tt.host).ListenPacket
		}
		c, err := listen(t.Context(), tt.network, tt.addr)
		if err != nil {
			t.Errorf("ListenPacket(%s, %s): %v", tt.network, tt.addr, err)
			continue
		}
		addr := c.LocalAddr().(*net.UDPAddr)
		if addr.String() != tt.want || addr.Network() != "udp" {
			t.Errorf("ListenPacket(%s, %s) is at %s, want %s", tt.network, tt.addr, addr, tt.want)
		}
		if got := n.Conn(addr.AddrPort()); got != c {
			t.Errorf("Conn(%v) = %p, want %p", addr, got, c)
		}
	}
}

func TestListenPacketRefuses(t *testing.T) {
	n := netsim.NewNetwork(1)
	taken := open(t, n, "127.0.0.1:7777")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		ctx                 context.Context
		host, network, addr string
		want                string
		is                  error
	}{
		{t.Context(), "127.0.0.1", "udp", "127.0.0.1:7777", "", syscall.EADDRINUSE},
		{ended, "127.0.0.1", "udp", "", "", context.Canceled},
		{t.Context(), "127.0.0.1", "tcp", "", "unknown network tcp", nil},
		{t.Context(), "127.0.0.1", "udp", "nowhere", "missing port", nil},
		{t.Context(), "127.0.0.1", "udp", "127.0.0.1:99999", "invalid port", nil},
		{t.Context(), "127.0.0.1", "udp", "example.com:1", "no such host", nil},
		{t.Context(), "127.0.0.1", "udp4", "[::1]:1", "no suitable address", nil},
		{t.Context(), "10.0.0.1", "udp6", "", "no suitable address", nil},
		{t.Context(), "arena", "udp", "", "arena", nil},
	} {
		c, err := n.Host(tt.host).ListenPacket(tt.ctx, tt.network, tt.addr)
		if c != nil || err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("ListenPacket(%s, %s) = %v, %v; want %q", tt.network, tt.addr, c, err, tt.want)
		}
	}
	taken.Close()
	open(t, n, "127.0.0.1:7777")
	n.Close()
	_, err := n.ListenPacket(t.Context(), "udp", "")
	wantErr(t, err, "listen", net.ErrClosed)
}

// The ports of a host run out, and come back when PacketConns are closed.
func TestPortsRunOut(t *testing.T) {
	n := netsim.NewNetwork(1)
	defer n.Close()
	var last net.PacketConn
	for range 1<<16 - 49152 {
		c, err := n.ListenPacket(t.Context(), "udp", "")
		if err != nil {
			t.Fatal(err)
		}
		last = c
	}
	_, err := n.ListenPacket(t.Context(), "udp", "")
	wantErr(t, err, "listen", syscall.EADDRINUSE)
	last.Close()
	if c := open(t, n, ""); c.LocalAddr().String() != last.LocalAddr().String() {
		t.Errorf("%v was opened, want the one that was closed", c.LocalAddr())
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

// In real time, with everything at once from many goroutines, for the race detector;
// and nothing is left behind.
func TestPacketConnConcurrent(t *testing.T) {
	before := runtime.NumGoroutine()
	n := netsim.NewNetwork(1)
	n.SetLink(netsim.PacketLink{
		Link: netsim.Link{Latency: ms, Jitter: 2 * ms, Loss: 0.1}, Duplicate: 0.1, Corrupt: 0.1,
	})
	conns := make([]*netsim.PacketConn, 4)
	for i := range conns {
		conns[i] = open(t, n, "")
	}
	var readers, writers sync.WaitGroup
	for i, c := range conns {
		for range 2 {
			readers.Go(func() {
				buf := make([]byte, 100)
				for {
					if _, _, err := c.ReadFrom(buf); errors.Is(err, net.ErrClosed) {
						return
					} else if err != nil { // a deadline
						time.Sleep(ms)
					}
				}
			})
			writers.Go(func() {
				for k := range 100 {
					c.WriteTo(fmt.Append(nil, k), conns[(i+k)%4].LocalAddr())
					c.SetReadDeadline(time.Now().Add(time.Duration(k%3) * ms))
					time.Sleep(50 * time.Microsecond)
				}
			})
		}
		writers.Go(func() {
			for k := range 20 {
				c.Rebind("", k%2 == 0)
				n.Route(c.Public(), netsim.Any).Blackout(ms)
				n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: ms}})
				n.Inject(c.Public(), conns[0].Public(), []byte("x"))
				n.Counters()
				n.Digest()
				time.Sleep(ms)
			}
		})
	}
	stop := n.Tap(func(e netsim.Event) { _ = e.String() })
	writers.Wait()
	stop()
	n.Close()
	readers.Wait()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * ms)
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
}

// Latency holds in real time as well.
func TestRealTime(t *testing.T) {
	n, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 30 * ms}}, 1)
	start := time.Now()
	write(t, a, b, "x")
	if _, _, err := b.ReadFrom(make([]byte, 10)); err != nil || time.Since(start) < 30*ms {
		t.Errorf("ReadFrom: %v after %v", err, time.Since(start))
	}
	b.SetReadDeadline(time.Now().Add(20 * ms))
	_, _, err := b.ReadFrom(make([]byte, 10))
	wantErr(t, err, "read", os.ErrDeadlineExceeded)
	time.AfterFunc(10*ms, func() { n.Close() })
	b.SetReadDeadline(time.Time{})
	_, _, err = b.ReadFrom(make([]byte, 10))
	wantErr(t, err, "read", net.ErrClosed)
}
