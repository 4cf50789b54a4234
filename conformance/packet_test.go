package conformance

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/maphash"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// packets is a small Transport on datagrams, for the laws of bad networks: sound while
// bug is "". It is neither encrypted nor fast.
type packets struct {
	open    func(ctx context.Context, network, addr string) (net.PacketConn, error)
	timeout time.Duration
	bug     string
}

// A packet is a checksum, its kind, the id of the connection, and a body.
const (
	kindHello   = iota // padded, so that the answer is shorter
	kindCookie         // proves that the dialer gets what is sent to its address
	kindConnect        // with the cookie
	kindWelcome
	kindData  // number, flags, part of a Reliable message
	kindLoose // number, Unreliable message
	kindAck
	kindPing   // number
	kindProbe  // asks an address from which a new ping came for a proof
	kindProved // with the proof
	packetHead = 13
)

// packetFull is how long a hello must be.
const packetFull = 1200

func (t *packets) packet(kind byte, id uint64, body []byte) []byte {
	p := make([]byte, packetHead, packetHead+len(body))
	p[4] = kind
	binary.BigEndian.PutUint64(p[5:], id)
	p = append(p, body...)
	binary.BigEndian.PutUint32(p, crc32.ChecksumIEEE(p[4:]))
	return p
}

// unpack returns ok false for what is no packet of ours.
func (t *packets) unpack(p []byte) (kind byte, id uint64, body []byte, ok bool) {
	if len(p) < packetHead {
		return 0, 0, nil, false
	}
	id = binary.BigEndian.Uint64(p[5:])
	ok = binary.BigEndian.Uint32(p) == crc32.ChecksumIEEE(p[4:])
	return p[4], id, p[packetHead:], ok || t.bug == "no checksum"
}

type packetListener struct {
	t      *packets
	pc     net.PacketConn
	seed   maphash.Seed
	queue  chan *packetConn
	done   chan struct{}
	mu     sync.Mutex
	closed bool
	conns  map[uint64]*packetConn
	known  map[uint64]bool // ids that were used

	strangers [][]byte
}

// packetSeed is for Listeners that do not make their own.
var packetSeed = maphash.MakeSeed()

func (t *packets) Listen(ctx context.Context, addr string) (core.Listener, error) {
	pc, err := t.open(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	l := &packetListener{t: t, pc: pc, seed: maphash.MakeSeed(), queue: make(chan *packetConn, 128), done: make(chan struct{}),
		conns: make(map[uint64]*packetConn), known: make(map[uint64]bool)}
	if t.bug == "same cookies" {
		l.seed = packetSeed
	}
	go l.read()
	return l, nil
}

func (l *packetListener) read() {
	buf := make([]byte, 2048)
	for {
		n, from, err := l.pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) || err != nil && l.t.bug == "dies of an error" {
			return
		}
		if err != nil {
			continue
		}
		kind, id, body, ok := l.t.unpack(buf[:n])
		l.mu.Lock()
		c := l.conns[id]
		l.mu.Unlock()
		switch {
		case !ok && l.t.bug == "ends on garbage" && c != nil:
			c.end(&core.CloseError{Code: core.CodeProtocol})
		case !ok:
		case kind == kindHello && (n >= packetFull || l.t.bug == "short hello"):
			l.answer(id, from)
		case kind == kindConnect && string(body) == string(l.cookie(id, from)):
			l.admit(id, from)
		case c != nil && l.elsewhere(c, kind, body, from):
		case c != nil:
			c.handle(kind, body)
		case l.t.bug == "adopts" && kind == kindPing:
			l.admit(id, from)
		}
	}
}

// answer sends a cookie to who said hello.
func (l *packetListener) answer(id uint64, from net.Addr) {
	times, body := 1, l.cookie(id, from)
	switch l.t.bug {
	case "talkative":
		body = append(body, make([]byte, 400)...)
	case "insistent":
		times = 5
	case "keeps strangers":
		l.strangers = append(l.strangers, make([]byte, 4<<10))
	case "attends to strangers":
		go func() { <-l.done }()
	}
	for range times {
		l.pc.WriteTo(l.t.packet(kindCookie, id, body), from)
	}
}

// elsewhere deals with a packet for c from where it is not, as far as that concerns its
// address, and reports whether that was all.
func (l *packetListener) elsewhere(c *packetConn, kind byte, body []byte, from net.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if from.String() == c.to.String() {
		return false
	}
	proof := l.cookie(c.id+uint64(c.moves), from)
	switch {
	case l.t.bug == "stays":
		return true
	case l.t.bug == "follows":
		c.to = from
	case kind == kindProved && string(body) == string(proof):
		c.to = from
		c.moves++
	case kind == kindPing && len(body) > 4 && binary.BigEndian.Uint32(body) > c.pinged:
		l.pc.WriteTo(l.t.packet(kindProbe, c.id, proof), from)
	}
	return false
}

func (l *packetListener) cookie(id uint64, from net.Addr) []byte {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteString(from.String())
	return h.Sum(binary.BigEndian.AppendUint64(nil, id))[:16]
}

func (l *packetListener) admit(id uint64, from net.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conns[id]; c != nil {
		c.welcome()
		return
	}
	for _, c := range l.conns {
		if l.t.bug == "one per address" && c.RemoteAddr().String() == from.String() {
			return
		}
	}
	if l.closed || len(l.queue) == cap(l.queue) || l.known[id] && l.t.bug != "forgetful" {
		return
	}
	l.known[id] = true
	c := newPacketConn(l.t, l.pc, from, id)
	l.conns[id] = c
	c.free = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, id)
		if l.closed && len(l.conns) == 0 {
			l.pc.Close()
		}
	}
	l.queue <- c
	c.welcome()
}

func (l *packetListener) Accept(ctx context.Context) (core.Conn, error) {
	select {
	case <-l.done:
		return nil, core.ErrClosed
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, core.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *packetListener) Addr() net.Addr { return l.pc.LocalAddr() }

func (l *packetListener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.done)
	if len(l.conns) == 0 {
		l.pc.Close()
	}
	l.mu.Unlock()
	for {
		select {
		case c := <-l.queue:
			go c.Close(core.CodeShutdown, "")
		default:
			return nil
		}
	}
}

func (t *packets) Dial(ctx context.Context, addr string) (core.Conn, error) {
	c, err := t.dial(ctx, addr)
	return c, core.DialError(core.ErrTimeout, addr, err)
}

func (t *packets) dial(ctx context.Context, addr string) (core.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, err
	}
	pc, err := t.open(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	var random [8]byte
	rand.Read(random[:])
	id := binary.BigEndian.Uint64(random[:])
	pad := packetFull - packetHead
	switch t.bug {
	case "large packets":
		pad = 1400
	case "short hello":
		pad = 64
	}
	ask := t.packet(kindHello, id, make([]byte, pad))
	buf := make([]byte, 2048)
	for first := true; ; first = false {
		if first || t.bug != "asks once" {
			pc.WriteTo(ask, to)
		}
		pc.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		for {
			n, _, err := pc.ReadFrom(buf)
			if err != nil {
				break
			}
			kind, got, body, ok := t.unpack(buf[:n])
			switch {
			case !ok || got != id:
			case kind == kindCookie && len(body) >= 16:
				ask = t.packet(kindConnect, id, body[:16])
				pc.WriteTo(ask, to)
			case kind == kindWelcome:
				pc.SetReadDeadline(time.Time{})
				c := newPacketConn(t, pc, to, id)
				c.free = func() { pc.Close() }
				go c.read()
				return c, nil
			}
		}
		if ctx.Err() != nil {
			pc.Close()
			return nil, ctx.Err()
		}
	}
}
