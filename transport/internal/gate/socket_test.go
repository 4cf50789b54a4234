package gate

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// listenLoopback opens a socket and what reads it.
func listenLoopback(t testing.TB, network, addr string) (*socket, chan string, chan netip.AddrPort) {
	t.Helper()
	pc, err := net.ListenPacket(network, addr)
	if err != nil {
		t.Skipf("%s: %v", addr, err)
	}
	s := newSocket(pc)
	packets, from := make(chan string, 1024), make(chan netip.AddrPort, 1024)
	go s.read(func(p []byte, a netip.AddrPort) {
		packets <- string(p)
		from <- a
	}, func() { close(packets) })
	t.Cleanup(func() {
		s.close()
		s.wait()
	})
	return s, packets, from
}

// Whatever family a socket has, an address that it gives is one to answer to.
func TestSocketFamilies(t *testing.T) {
	for _, c := range []struct{ server, client, network string }{
		{"127.0.0.1:0", "127.0.0.1:0", "udp4"},
		{"127.0.0.1:0", "127.0.0.1:0", "udp"},
		{"[::1]:0", "[::1]:0", "udp6"},
		{":0", "127.0.0.1:0", "udp"},
		{":0", "[::1]:0", "udp"},
	} {
		t.Run(c.network+" "+c.server+" "+c.client, func(t *testing.T) {
			s, packets, from := listenLoopback(t, c.network, c.server)
			k, answers, _ := listenLoopback(t, "udp", c.client)
			to := netip.AddrPortFrom(netip.MustParseAddrPort(k.pc.LocalAddr().String()).Addr(), netip.MustParseAddrPort(s.pc.LocalAddr().String()).Port())
			for i := range 40 { // more than a batch
				k.write(fmt.Appendf(nil, "packet %d", i), to)
			}
			for i := range 40 {
				if got := <-packets; got != fmt.Sprintf("packet %d", i) {
					t.Fatalf("%d: %q", i, got)
				}
				a := <-from
				if a != netip.MustParseAddrPort(k.pc.LocalAddr().String()) {
					t.Fatalf("from %v, which is %v", a, k.pc.LocalAddr())
				}
				if err := s.write([]byte("answer"), a); err != nil {
					t.Fatal(err)
				}
				if got := <-answers; got != "answer" {
					t.Fatal(got)
				}
			}
		})
	}
}

// failing fails now and then, as sockets do when routers or the system object.
type failing struct {
	net.PacketConn
	errs chan error
}

func (f *failing) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case err := <-f.errs:
		return 0, nil, err
	default:
		return f.PacketConn.ReadFrom(b)
	}
}

func TestSocketOutlivesErrors(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{pc, make(chan error, 8)}
	for range 4 {
		f.errs <- errors.New("connection refused")
	}
	s := newSocket(f)
	packets := make(chan string, 1)
	go s.read(func(p []byte, _ netip.AddrPort) { packets <- string(p) }, func() {})
	k, _, _ := listenLoopback(t, "udp", "127.0.0.1:0")
	k.write([]byte("still there?"), addrPort(pc.LocalAddr()))
	select {
	case <-packets:
	case <-time.After(10 * time.Second):
		t.Error("the socket is deaf")
	}
	s.close()
	s.wait()
}

func TestSocketAllocations(t *testing.T) {
	s, _, _ := listenLoopback(t, "udp", "127.0.0.1:0")
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := newSocket(pc)
	defer pc.Close()
	r := k.newReader()
	to, msg := addrPort(pc.LocalAddr()), make([]byte, 1200)
	take := func([]byte, netip.AddrPort) {}
	if n := testing.AllocsPerRun(1000, func() {
		s.write(msg, to)
		if err := r.read(take); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for each packet", n)
	}
}

func BenchmarkSocket(b *testing.B) {
	for _, c := range []struct {
		name   string
		reader func(*socket) reader
	}{
		{"one", func(s *socket) reader { return &one{s: s} }},
		{"batch", func(s *socket) reader { return s.newReader() }},
	} {
		for _, burst := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", c.name, burst), func(b *testing.B) {
				s, _, _ := listenLoopback(b, "udp", "127.0.0.1:0")
				pc, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				defer pc.Close()
				k := newSocket(pc)
				r := c.reader(k)
				to, msg := addrPort(pc.LocalAddr()), make([]byte, 200)
				b.ReportAllocs()
				for b.Loop() {
					for range burst {
						s.write(msg, to)
					}
					for got := 0; got < burst; {
						if err := r.read(func([]byte, netip.AddrPort) { got++ }); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
