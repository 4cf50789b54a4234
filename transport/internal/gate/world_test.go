package gate

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// end is a Handler that remembers, and a Source of what it is told to send.
type end struct {
	link    *Link
	packets chan string
	ended   chan *core.CloseError
	moved   chan struct{}

	mu   sync.Mutex
	next []byte
}

func newEnd(l *Link) *end {
	return &end{link: l, packets: make(chan string, 1<<14), ended: make(chan *core.CloseError, 2), moved: make(chan struct{}, 1024)}
}

func (e *end) Packet(_ time.Time, _ uint64, p []byte) {
	select {
	case e.packets <- string(p):
	default:
		panic("the test does not take its packets")
	}
}
func (e *end) Moved()                     { e.moved <- struct{}{} }
func (e *end) Ended(err *core.CloseError) { e.ended <- err }
func (e *end) Next(_ uint64, buf []byte) int {
	return copy(buf, e.next)
}
func (e *end) TooBig() {}

func (e *end) send(s string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next = []byte(s)
	return e.link.Send(time.Now(), e)
}

func seeded(t testing.TB, first byte) *identity.Key {
	t.Helper()
	k, err := identity.FromSeed([identity.SeedSize]byte{first})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A world is a network with one server on it.
type world struct {
	t      testing.TB
	net    *netsim.Network
	key    *identity.Key
	gate   *Listener
	accept chan *end
}

const serverIP, clientIP = "10.0.0.1", "10.0.0.2"

func newWorld(t testing.TB, link netsim.PacketLink, change func(*ServerConfig)) *world {
	t.Helper()
	return seededWorld(t, 1, link, change)
}

func seededWorld(t testing.TB, seed uint64, link netsim.PacketLink, change func(*ServerConfig)) *world {
	t.Helper()
	w := &world{t: t, net: netsim.NewNetwork(seed), key: seeded(t, 1), accept: make(chan *end, 4096)}
	w.net.SetLink(link)
	t.Cleanup(func() { w.net.Close() }) // a test that fails leaves nothing behind
	w.listen(serverIP+":7777", change)
	return w
}

func (w *world) listen(addr string, change func(*ServerConfig)) {
	w.t.Helper()
	w.listenOn(w.net.Host(serverIP).ListenPacket, addr, change)
}

func (w *world) listenOn(listen listenPacket, addr string, change func(*ServerConfig)) {
	w.t.Helper()
	pc, err := listen(context.Background(), "udp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := ServerConfig{
		Kind: KindUDP, Identity: w.key, Idle: 10 * time.Second, MaxLinks: 4096, Room: func() bool { return true },
		Accept: func(l *Link) Handler {
			e := newEnd(l)
			w.accept <- e
			return e
		},
	}
	if change != nil {
		change(&cfg)
	}
	if w.gate, err = Listen(context.Background(), pc, cfg); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) client(ip string, change func(*ClientConfig)) (ClientConfig, string) {
	cfg := ClientConfig{
		Kind: KindUDP, Idle: 10 * time.Second, ListenPacket: w.net.Host(ip).ListenPacket,
		Accept: func(l *Link) Handler { return newEnd(l) },
	}
	if change != nil {
		change(&cfg)
	}
	return cfg, identity.Join(w.gate.Addr().String(), w.key.Pin())
}

func (w *world) dial(ctx context.Context, change func(*ClientConfig)) (*end, error) {
	return w.dialFrom(ctx, clientIP, change)
}

func (w *world) dialFrom(ctx context.Context, ip string, change func(*ClientConfig)) (*end, error) {
	cfg, addr := w.client(ip, change)
	l, err := Dial(ctx, addr, cfg)
	if err != nil {
		return nil, err
	}
	return l.handler.(*end), nil
}

func (w *world) pair() (client, server *end) {
	w.t.Helper()
	client, err := w.dial(context.Background(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return client, <-w.accept
}

// end ends connections.
func (w *world) end(ends ...*end) {
	for _, e := range ends {
		e.link.Close(core.CodeNormal, "", time.Second)
	}
	for _, e := range ends {
		e.link.Wait()
	}
}

func (w *world) close(ends ...*end) {
	w.end(ends...)
	w.gate.Close()
	w.net.Close()
}

// left says what a Listener holds, or nothing if that is nothing.
func left(l *Listener) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &l.halves
	if len(l.links)+l.live+len(l.jobs)+l.workers+h.open.Len()+len(h.byID)+len(h.byAddress)+len(h.byToken) == 0 && l.refs <= 1 {
		return ""
	}
	return fmt.Sprintf("%d links, %d live, %d references, %d jobs, %d workers, %d handshakes", len(l.links), l.live, l.refs, len(l.jobs), l.workers, h.open.Len())
}

var lan = netsim.PacketLink{Link: netsim.Link{Latency: 5 * time.Millisecond}}

// wire is a socket from which nothing comes, and that tells what goes.
type wire struct {
	net.PacketConn // nil: what is not here is not called
	sent           func(p []byte, to netip.AddrPort)
	gone           chan struct{}
	once           sync.Once
}

func newWire(sent func(p []byte, to netip.AddrPort)) *wire {
	return &wire{sent: sent, gone: make(chan struct{})}
}

func (w *wire) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	<-w.gone
	return 0, netip.AddrPort{}, net.ErrClosed
}

func (w *wire) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	w.sent(p, to)
	return len(p), nil
}

func (w *wire) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(serverAddr) }

func (w *wire) Close() error {
	w.once.Do(func() { close(w.gone) })
	return nil
}

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:7777")
	clientAddr = netip.MustParseAddrPort("198.51.100.1:5555")
	otherAddr  = netip.MustParseAddrPort("203.0.113.1:6666")
)

// listening returns a Listener to whose take the test hands packets, as nothing else
// does, and that tells what it sends.
func listening(t testing.TB, change func(*ServerConfig), sent func(p []byte, to netip.AddrPort)) *Listener {
	t.Helper()
	cfg := ServerConfig{
		Kind: KindUDP, Identity: seeded(t, 1), Idle: 10 * time.Second, MaxLinks: 4096,
		Room: func() bool { return true }, Accept: func(l *Link) Handler { return newEnd(l) },
	}
	if change != nil {
		change(&cfg)
	}
	w := newWire(sent)
	t.Cleanup(func() { w.Close() }) // a test that fails leaves nothing behind
	l, err := Listen(context.Background(), w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A packet is one that was sent.
type packet struct {
	p  []byte
	to netip.AddrPort
}

// side is one end of a Link that has no gate, no timer and no network: the test carries
// its packets, and moves its clock.
type side struct {
	link   *Link
	out    []packet // that were sent
	got    []string // that were received
	next   []byte
	ended  *core.CloseError
	moved  int
	tooBig int
	ends   int // calls of release
}

func (s *side) Packet(_ time.Time, _ uint64, p []byte) { s.got = append(s.got, string(p)) }
func (s *side) Moved()                                 { s.moved++ }
func (s *side) Ended(err *core.CloseError)             { s.ended = err }
func (s *side) Next(_ uint64, buf []byte) int          { return copy(buf, s.next) }
func (s *side) TooBig()                                { s.tooBig++ }

// send seals a payload and returns the packet.
func (s *side) send(payload string) []byte {
	s.next = []byte(payload)
	before := len(s.out)
	if s.link.Send(time.Now(), s); len(s.out) == before {
		return nil
	}
	return s.take()
}

// take takes the packet that was sent last.
func (s *side) take() []byte {
	p := s.out[len(s.out)-1].p
	s.out = s.out[:len(s.out)-1]
	return p
}

// control seals a control packet and returns it.
func (s *side) control(op byte, body ...byte) []byte {
	s.link.mu.Lock()
	s.link.control(s.link.addr, op, body, 0)
	s.link.mu.Unlock()
	return s.take()
}

// pass lets time pass.
func (s *side) pass(d time.Duration) { s.link.born = s.link.born.Add(-d) }

// between returns the two ends of one connection.
func between(t testing.TB) (client, server *side) {
	t.Helper()
	secret := func(b byte) []byte { s := [32]byte{b}; return s[:] }
	const up, down, idle = 1, 2, 10 * time.Second
	make := func(server bool, send, receive byte, local, remote uint64, addr netip.AddrPort) *side {
		s := new(side)
		in, err := newOpener(secret(receive))
		if err != nil {
			t.Fatal(err)
		}
		w := newWire(func(p []byte, to netip.AddrPort) { s.out = append(s.out, packet{append([]byte(nil), p...), to}) })
		s.link, err = newLink(linkConfig{
			sock: newSocket(w), release: func(*Link, bool) { s.ends++ }, addr: addr, local: local, remote: remote,
			send: secret(send), in: in, server: server, reset: [resetSize]byte{7}, idle: idle, peerIdle: idle,
		})
		if err != nil {
			t.Fatal(err)
		}
		s.link.handler = s
		return s
	}
	return make(false, up, down, 11, 22, serverAddr), make(true, down, up, 22, 11, clientAddr)
}

// spied is a socket with somebody on its path who sees each packet before it leaves.
type spied struct {
	*netsim.PacketConn
	see func(p []byte, from, to netip.AddrPort)
}

func (s spied) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	s.see(p, s.Public(), to)
	return s.PacketConn.WriteToUDPAddrPort(p, to)
}

type listenPacket = func(ctx context.Context, network, addr string) (net.PacketConn, error)

// spy puts somebody on the path of the sockets that listen opens.
func spy(listen listenPacket, see func(p []byte, from, to netip.AddrPort)) listenPacket {
	return func(ctx context.Context, network, addr string) (net.PacketConn, error) {
		pc, err := listen(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return spied{pc.(*netsim.PacketConn), see}, nil
	}
}
