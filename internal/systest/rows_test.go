package systest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/mem"
	"github.com/parley-net/parley/transport/tcp"
	"github.com/parley-net/parley/transport/udp"
)

// A row is an adapter, or a network, that the matrix plays over.
type row struct {
	name   string
	bubble bool // in virtual time
	open   func() *arena
}

// badLink is a mobile network on a bad day.
var badLink = netsim.Link{
	Latency: 45 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.05, Reorder: 0.05,
}

var rows = []row{
	{"mem", true, func() *arena { return openMem(netsim.Link{}) }},
	{"netsim", true, func() *arena { return openMem(badLink) }},
	{"udp", true, func() *arena { return openUDP(netsim.PacketLink{Link: netsim.LAN()}) }},
	{"udp-netsim", true, func() *arena { return openUDP(netsim.PacketLink{Link: badLink, Duplicate: 0.05, Corrupt: 0.01}) }},
	{"tcp", false, openTCP},
}

// matrix runs body once for each row, beside other tests.
func matrix(t *testing.T, body func(t *testing.T, a *arena)) {
	t.Helper()
	t.Parallel()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) { on(t, r, body) })
	}
}

// on runs body over one row. A goroutine that is left over fails the test.
func on(t *testing.T, r row, body func(t *testing.T, a *arena)) {
	if r.bubble {
		synctest.Test(t, func(t *testing.T) { body(t, r.open()) })
		return
	}
	noLeak(t)
	body(t, r.open())
}

// noLeak fails the test if goroutines that it started, or that those started,
// outlive it: they bear its label.
func noLeak(t *testing.T) {
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("test", t.Name())))
	t.Cleanup(func() {
		pprof.SetGoroutineLabels(context.Background())
		var left string
		for range 300 {
			if left = goroutinesOf(t.Name()); left == "" {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("goroutines are left over:\n%s", left)
	})
}

// goroutinesOf returns the stacks of the goroutines that bear a test's label.
func goroutinesOf(test string) string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
	var left []string
	for _, g := range strings.Split(all.String(), "\n\n") {
		if strings.Contains(g, fmt.Sprintf("%q:%q", "test", test)) {
			left = append(left, g)
		}
	}
	return strings.Join(left, "\n\n")
}

// An arena is a row at work: where servers listen and how clients reach them.
type arena struct {
	server core.Transport
	addr   string        // to listen at
	line   func() *line  // makes a client's way to the server
	step   time.Duration // between two looks at a condition
	wait   time.Duration // how long a condition may take
	seed   uint64        // of the last line, where chance plays a part
}

// A line is one client's way to the server.
type line struct {
	core.Transport
	cut  func() // from now on nothing passes, and neither side is told
	heal func() // what cut did is over
	kill func() // the client's process dies
}

func openMem(link netsim.Link) *arena {
	network := new(mem.Transport)
	a := &arena{server: network, step: 5 * time.Millisecond, wait: time.Minute}
	a.line = func() *line {
		a.seed++
		sim := netsim.Wrap(network, link, a.seed) // a perfect link goes straight through, until it is cut
		return &line{Transport: sim, cut: sim.Cut, heal: sim.Heal, kill: sim.Cut}
	}
	return a
}

var serverKey = sync.OnceValue(func() *identity.Key {
	key, err := identity.Generate()
	if err != nil {
		panic(err)
	}
	return key
})

func openTCP() *arena {
	return &arena{
		server: tcp.New(tcp.Config{Identity: serverKey()}),
		addr:   "127.0.0.1:0",
		step:   time.Millisecond,
		wait:   15 * time.Second,
		line: func() *line {
			s := &sockets{}
			t := tcp.New(tcp.Config{DialContext: s.dial})
			return &line{Transport: t, cut: s.cut, heal: func() {}, kill: s.kill}
		},
	}
}

// openUDP is udp over a simulated network of packets, each client on a host of its
// own.
func openUDP(link netsim.PacketLink) *arena {
	network := netsim.NewNetwork(1)
	network.SetLink(link)
	server := network.Host("127.0.0.1")
	a := &arena{
		server: udp.New(udp.Config{Identity: serverKey(), ListenPacket: server.ListenPacket}),
		addr:   "127.0.0.1:0",
		step:   5 * time.Millisecond,
		wait:   time.Minute,
	}
	a.line = func() *line {
		a.seed++
		ip := netip.AddrFrom4([4]byte{127, 1, byte(a.seed >> 8), byte(a.seed)})
		out := network.Route(netip.AddrPortFrom(ip, 0), netsim.Any)
		back := out.Back()
		cut := func() { out.Cut(); back.Cut() }
		heal := func() { out.Heal(); back.Heal() }
		t := udp.New(udp.Config{ListenPacket: network.Host(ip.String()).ListenPacket})
		return &line{Transport: t, cut: cut, heal: heal, kill: cut}
	}
	return a
}

// sockets are the TCP connections of one client. Cut ones lead nowhere: writes
// vanish and reads wait, as when a cable is pulled.
type sockets struct {
	mu  sync.Mutex
	all []*socket
}

func (s *sockets) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	sock := &socket{Conn: c, dark: make(chan struct{}), closed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, sock)
	return sock, nil
}

func (s *sockets) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.all {
		sock.once.Do(func() { close(sock.dark) })
	}
}

func (s *sockets) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sock := range s.all {
		_ = sock.Conn.Close() // as the system does for a process that dies
	}
}

type socket struct {
	net.Conn
	once, end sync.Once
	dark      chan struct{}
	closed    chan struct{}
}

func (s *socket) Write(b []byte) (int, error) {
	select {
	case <-s.dark:
		return len(b), nil
	default:
		return s.Conn.Write(b)
	}
}

func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	select {
	case <-s.dark:
		<-s.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (s *socket) Close() error {
	s.end.Do(func() { close(s.closed) })
	return s.Conn.Close()
}
