package gate

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// Pass is what a token opens: a sealed token that the client showed in its hello.
type Pass struct {
	ID    [16]byte // of the token
	User  string
	PSK   [32]byte
	Token any // what Open returns and Spend wants
}

// ServerConfig says how a Listener works. All fields but Open and Spend are needed.
type ServerConfig struct {
	Kind     byte // what travels inside
	Identity *identity.Key
	Idle     time.Duration // silence after which a peer is lost
	MaxLinks int

	// Open reads a sealed token, and Spend spends it, once. Nil means that everybody may
	// come in. Errors are told to the client, in their words.
	Open  func(sealed []byte) (Pass, error)
	Spend func(Pass) error

	// Room reports whether one more would be accepted, and Accept accepts a Link: it
	// returns what stands on it, or nil if there is no room after all. Both are called
	// from the gate's goroutines and must not block.
	Room   func() bool
	Accept func(*Link) Handler

	// Lost says that the socket was closed by somebody else.
	Lost func()
}

// Listener is the gate of a server: its socket, the strangers in front of it, and
// the Links that came in.
type Listener struct {
	cfg   ServerConfig
	sock  *socket
	born  time.Time
	retry retry        // but for id and cookie
	reset []byte       // key of what resets prove
	seed  maphash.Seed // of marks

	// What belongs to the goroutine that reads.
	jar       *jar
	addresses *addressLimit
	retries   bucket
	resets    bucket
	packet    [retrySize]byte

	mu      sync.Mutex
	links   map[uint64]*Link // by the id that this side listens to
	halves  halves
	jobs    []job
	workers int
	refs    int // the Listener, if it is open, and its Links
	live    int // Links that count to MaxLinks
	closed  bool

	Counters Counters
}

// Counters counts what came and was not a player's.
type Counters struct {
	Hellos, Retries, Handshakes, Refused, Strays, Resets, Limited atomic.Uint64
}

// Listen opens the gate on a socket, which is its own from now on.
func Listen(ctx context.Context, pc net.PacketConn, cfg ServerConfig) (*Listener, error) {
	secret, err := hkdf.Key(sha256.New, cfg.Identity.X25519().Bytes(), nil, "parley 1 reset", sha256.Size)
	if err != nil {
		pc.Close()
		return nil, fmt.Errorf("make the key of resets: %w", err)
	}
	l := &Listener{
		cfg: cfg, sock: newSocket(pc), born: time.Now(), reset: secret, seed: maphash.MakeSeed(),
		retry: retry{keys: cfg.Identity.Public()}, jar: newJar(), addresses: newAddressLimit(),
		retries: bucket{level: retryBurst}, resets: bucket{level: resetBurst},
		links: make(map[uint64]*Link), halves: newHalves(), refs: 1,
	}
	rand.Read(l.retry.epoch[:]) // never fails
	go l.sock.read(l.take, l.broken)
	return l, nil
}

// Addr returns the address of the socket.
func (l *Listener) Addr() net.Addr { return l.sock.pc.LocalAddr() }

// Close turns away who comes from now on, and spares the Links. The socket is closed
// with the last of them.
func (l *Listener) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		l.unref()
	}
	l.mu.Unlock()
	l.sock.wait()
}

// unref gives back the Listener's or a Link's hold on the socket. l.mu is held.
func (l *Listener) unref() {
	if l.refs--; l.refs > 0 {
		return
	}
	for _, h := range l.halves.byID {
		l.cancel(h)
	}
	l.sock.close()
}

// cancel tells a client that was welcomed, and may think that it is in, that nobody is
// here any more. l.mu is held.
func (l *Listener) cancel(h *half) {
	k, err := newKey(h.keys.toClient)
	if err == nil { // it always is, with keys of the right length
		s := sealer{key: k, peer: h.dial.cid}
		buf := make([]byte, MinDatagram)
		n := copy(buf[sealedHeader:], append([]byte{opClose}, goodbye(core.CodeShutdown, closedReason)...))
		l.sock.write(s.seal(buf, n, true), h.dial.addr)
	}
	l.halves.settle(h)
}

// broken says that the socket is closed.
func (l *Listener) broken() {
	l.mu.Lock()
	ours := l.refs == 0
	links := make([]*Link, 0, len(l.links))
	for _, k := range l.links {
		links = append(links, k)
	}
	l.mu.Unlock()
	for _, k := range links { // ghosts among them
		k.lost(&core.CloseError{Code: core.CodeLost, Reason: "the socket was closed", Err: net.ErrClosed}, false)
		if ours {
			k.Drop(core.CodeLost, "")
		}
	}
	if !ours && l.cfg.Lost != nil {
		l.cfg.Lost()
	}
}

func (l *Listener) now() time.Duration { return time.Since(l.born) }

// take takes a packet, cheapest questions first.
func (l *Listener) take(p []byte, from netip.AddrPort) {
	switch {
	case len(p) >= Overhead && p[0]&flagSealed != 0:
		l.sealed(p, from)
	case len(p) == MinDatagram:
		if h, ok := parseHello(p); ok {
			l.hello(h, from)
			return
		}
		l.Counters.Strays.Add(1)
	default:
		l.Counters.Strays.Add(1)
	}
}

func (l *Listener) sealed(p []byte, from netip.AddrPort) {
	cid := order.Uint64(p[1:])
	l.mu.Lock()
	k := l.links[cid]
	var h half // a copy, since Close settles handshakes
	if k == nil && l.halves.byID[cid] != nil {
		h = *l.halves.byID[cid]
	}
	l.mu.Unlock()
	switch {
	case k != nil:
		k.packet(p, from)
	case h.shaken != nil:
		l.confirm(&h, p, from)
	default:
		l.stray(p, from, cid)
	}
}

// stray answers a packet of a connection that nobody knows, so that a client of a
// server that was restarted need not wait: shorter than the packet by far.
func (l *Listener) stray(p []byte, from netip.AddrPort, cid uint64) {
	l.Counters.Strays.Add(1)
	if len(p) < minForReset || !l.resets.take(l.now(), resetsPerSecond, resetBurst) {
		return
	}
	l.Counters.Resets.Add(1)
	token := l.resetToken(cid)
	b := append(l.packet[:0], magic...)
	b = append(b, typeReset)
	l.sock.write(append(b, token[:]...), from)
}

// resetToken returns what proves that this server, also after a restart, says that it
// does not know the connection.
func (l *Listener) resetToken(cid uint64) (token [resetSize]byte) {
	m := hmac.New(sha256.New, l.reset)
	m.Write(order.AppendUint64(nil, cid))
	copy(token[:], m.Sum(nil))
	return token
}

// hello answers a hello: without a cookie by a retry, and nothing is kept of it.
func (l *Listener) hello(h hello, from netip.AddrPort) {
	l.Counters.Hellos.Add(1)
	now := l.now()
	switch {
	case h.version != Version || h.kind != l.cfg.Kind:
		if l.retries.take(now, retriesPerSecond, retryBurst) {
			l.sock.write(appendPlain(l.packet[:0], typeVersion, l.cfg.Kind, h.cid), from)
		}
	case len(h.noise) == 0 || !l.jar.check(h.cookie[:], from, h.cid, now):
		if l.retries.take(now, retriesPerSecond, retryBurst) {
			l.Counters.Retries.Add(1)
			r := l.retry
			r.cid, r.cookie = h.cid, l.jar.make(from, h.cid, now)
			l.sock.write(appendRetry(l.packet[:0], l.cfg.Kind, &r), from)
		}
	default: // the address is proven
		l.knock(h, from, now)
	}
}

// confirm takes the first sealed packet of a handshake, which proves that the client
// has the keys: only now there is a connection. h is a copy.
func (l *Listener) confirm(h *half, p []byte, from netip.AddrPort) {
	probe := *h.in // a packet that does not open leaves no trace
	if _, _, _, v := probe.open(bytes.Clone(p), 0); v != opened || h.until <= l.now() {
		l.Counters.Strays.Add(1)
		return
	}
	var rtt time.Duration
	if !h.repeated { // else nobody knows which of them was heard
		rtt = l.now() - h.answered
	}
	k, err := newLink(linkConfig{
		sock: l.sock, release: l.forget, addr: h.dial.addr, local: h.cid, remote: h.dial.cid, send: h.keys.toClient, in: h.in,
		server: true, user: h.pass.User, idle: l.cfg.Idle, peerIdle: h.idle, rtt: rtt,
	})
	l.mu.Lock()
	l.halves.confirmed(h.cid)
	if err != nil || l.refs == 0 { // err is impossible with keys of the right length
		l.mu.Unlock()
		return
	}
	l.links[k.local] = k
	l.refs++
	code, reason := l.admit(k)
	l.mu.Unlock()

	var handler Handler
	if reason == "" && l.cfg.Spend != nil {
		if err := l.cfg.Spend(h.pass); err != nil {
			code, reason = core.CodeRefused, err.Error()
		}
	}
	if reason == "" {
		if handler = l.cfg.Accept(k); handler == nil {
			code, reason = core.CodeFull, fullReason
		}
	}
	if reason != "" {
		l.turnAway(k)
		handler = deaf{}
	}
	k.handler = handler
	k.start()
	k.packet(p, from)
	if reason != "" {
		k.Close(code, reason, time.Second)
	}
}

// admit counts a Link to those that may be here, or says why it may not. l.mu is held.
func (l *Listener) admit(k *Link) (code core.Code, reason string) {
	switch {
	case l.closed:
		return core.CodeShutdown, closedReason
	case l.live >= l.cfg.MaxLinks:
		return core.CodeFull, fullReason
	}
	l.live++
	k.counted = true
	return 0, ""
}

// turnAway takes a Link off the count: it stays only until it has been told to go.
func (l *Listener) turnAway(k *Link) {
	l.Counters.Refused.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.counted {
		k.counted = false
		l.live--
	}
}

// deaf stands on a Link that is only told to go.
type deaf struct{}

func (deaf) Packet(time.Time, uint64, []byte) {}
func (deaf) Moved()                           {}
func (deaf) Ended(*core.CloseError)           {}

// forget is Link.release.
func (l *Listener) forget(k *Link, wholly bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wholly {
		delete(l.links, k.local)
	}
	if k.counted {
		k.counted = false
		l.live--
	}
	if !k.released {
		k.released = true
		l.unref()
	}
}
