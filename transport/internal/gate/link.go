package gate

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-net/parley/core"
)

// Handler is what stands on a Link. The gate calls it from the goroutine that reads
// the socket or from a timer, one call at a time but for Ended, and holds no lock.
type Handler interface {
	// Packet takes the payload of a packet that is the peer's and came for the first
	// time, now. The payload is valid during the call.
	Packet(now time.Time, pn uint64, payload []byte)
	// Moved says that the peer has another address now, and has proven it.
	Moved()
	// Ended says, once, that the connection ended without this side's Close or Drop.
	// The Link is still to be closed.
	Ended(err *core.CloseError)
}

// Source makes the payloads of packets.
type Source interface {
	// Next writes the payload of packet pn to buf and returns its length, or 0 if
	// there is nothing to send.
	Next(pn uint64, buf []byte) int
	// TooBig says that the system refused the payload that Next has just written, for
	// its size.
	TooBig()
}

// How long it takes until a Link says that it is still there.
const (
	slowestBeat  = 500 * time.Millisecond
	fastestBeat  = 50 * time.Millisecond // that a peer can ask for
	fastestRetry = 50 * time.Millisecond // of what asks for an answer
	slowestRetry = 500 * time.Millisecond
	ghostLife    = time.Second // how long a goodbye is answered after the Link was closed
)

// state is where a Link is in its life.
type state int

const (
	open    state = iota
	over          // the peer ended it, or fell silent; Close was not called yet
	closing       // Close was called, and the peer has not heard of it yet
	ghost         // closed; answers a peer that did not hear the answer to its goodbye
	gone          // nobody knows it any more
)

// Link is a connection to a peer that has proven its address and holds the right
// keys: sealed packets, each with a number of its own, that may be lost or
// reordered and nothing else. It is safe for concurrent use, but for what the
// goroutine that reads calls.
type Link struct {
	sock    *socket
	release func(*Link, bool) // forgets the Link; false: it is a ghost and goes on answering
	handler Handler
	user    string // whom the token names, or the server's pin
	born    time.Time
	local   uint64          // connection id that this side listens to
	server  bool            // this is the server's side
	reset   [resetSize]byte // on a client: what the server says when it knows nothing of us
	idle    time.Duration   // silence after which the peer is lost
	beat    time.Duration   // silence of ours after which we say something
	rtt     time.Duration   // of the handshake; 0 if not known

	in    *opener      // belongs to the goroutine that reads
	heard atomic.Int64 // when something authentic came, since born; negative: nothing yet
	done  chan struct{}

	forged, replays atomic.Uint64

	mu      sync.Mutex
	state   state
	out     sealer
	skip    uint64 // a packet number that will be left out
	addr    netip.AddrPort
	paths   [maxPaths]path
	pathKey [32]byte      // of challenges; zero if none was sent yet
	moves   uint64        // changes of addr
	sent    time.Duration // when something was sent last
	timer   *time.Timer
	at      time.Duration // when timer fires; 0 if it does not
	ask     time.Duration // between packets that ask for an answer
	asked   time.Duration // when the last one went out
	spared  time.Duration // until then silence is not held against the peer
	until   time.Duration // end of closing, or of a ghost
	bye     []byte        // payload of the goodbye
	scratch [MaxDatagram]byte

	replies, challenges bucket

	released, counted bool // belong to the Listener
}

// linkConfig is what a handshake knows of a Link.
type linkConfig struct {
	sock          *socket
	release       func(*Link, bool)
	addr          netip.AddrPort
	local, remote uint64
	send          []byte // secret of what is sent
	in            *opener
	server        bool
	user          string
	reset         [resetSize]byte
	idle          time.Duration // after which this side takes the peer for lost
	peerIdle      time.Duration // after which the peer takes this side for lost
	rtt           time.Duration
}

func newLink(c linkConfig) (*Link, error) {
	k, err := newKey(c.send)
	if err != nil {
		return nil, err
	}
	l := &Link{
		sock: c.sock, release: c.release, user: c.user, born: time.Now(), local: c.local, server: c.server, reset: c.reset,
		idle: c.idle, rtt: c.rtt, in: c.in, done: make(chan struct{}), addr: c.addr,
		replies: bucket{level: replyBurst}, challenges: bucket{level: challengeBurst},
	}
	l.beat = max(min(c.idle/4, max(c.peerIdle/4, fastestBeat), slowestBeat), time.Millisecond)
	l.out = sealer{key: k, peer: c.remote, packets: rekeyPackets, rest: max(2*c.idle, 2*c.peerIdle, rekeyRest)}
	l.skip = rand.Uint64N(skipWithin)
	l.ask = l.retryAfter(c.rtt * 3 / 2)
	if !c.server {
		l.heard.Store(-1)
	}
	return l, nil
}

func (l *Link) retryAfter(d time.Duration) time.Duration {
	return min(max(d, fastestRetry), slowestRetry)
}

// start makes the Link live, which has a handler now. Client and server say something
// at once: it confirms the handshake, and that it was confirmed.
func (l *Link) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.state == gone: // whoever got it from Accept was quick
		return
	case l.state == open && l.server:
		l.control(l.addr, opBeat, nil, 0)
	case l.state == open:
		l.control(l.addr, opPing, nil, 0)
	}
	now := l.now()
	l.at = now + l.beat
	l.timer = time.AfterFunc(l.beat, l.tick)
	l.rearm(now)
}

func (l *Link) now() time.Duration { return time.Since(l.born) }

// RTT returns the round trip that the handshake took, or 0 if that is not known.
func (l *Link) RTT() time.Duration { return l.rtt }

// Identity returns whom the client's token names, or on a client the server's pin.
func (l *Link) Identity() string { return l.user }

// Addr returns the peer's address.
func (l *Link) Addr() netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addr
}

// Probes reports whether packets longer than MinDatagram can be tried: they are not
// fragmented on their way.
func (l *Link) Probes() bool { return l.sock.unfragmented }

// Ended reports whether nothing can be sent any more.
func (l *Link) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state != open
}

// Done is closed when the Link was closed and the peer has heard of it, or never will.
func (l *Link) Done() <-chan struct{} { return l.done }

// Wait waits for Done, and for the socket's end if this was its last Link. A Handler must
// not call it.
func (l *Link) Wait() {
	<-l.done
	l.sock.wait()
}

// skipWithin is how often about a packet number is left out.
const skipWithin = 512

// Send seals and sends one packet that src fills, now, and reports whether there was
// one.
func (l *Link) Send(now time.Time, src Source) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now.Sub(l.born)
	if l.state != open || !l.out.ready(at, lastWords) {
		return false
	}
	if l.out.next >= l.skip { // who acknowledges it has not received it
		l.out.next++
		l.skip = l.out.next + 1 + rand.Uint64N(skipWithin)
	}
	n := src.Next(l.out.next, l.scratch[sealedHeader:MaxDatagram-tagSize])
	if n == 0 {
		return false
	}
	if l.write(at, l.addr, n, false) == 0 {
		src.TooBig()
	}
	return true
}

// write seals n bytes of payload in scratch, sends them, and returns the size of the
// packet, or 0 if it is too large for the system. Any other error of the socket is a
// packet that was lost. The sealer is ready.
func (l *Link) write(now time.Duration, to netip.AddrPort, n int, control bool) int {
	p := l.out.seal(l.scratch[:], n, control)
	l.sent = now
	if errors.Is(l.sock.write(p, to), syscall.EMSGSIZE) {
		return 0
	}
	return len(p)
}

// control sends a packet of the gate's own, padded to a size, and returns its size.
func (l *Link) control(to netip.AddrPort, op byte, body []byte, atLeast int) int {
	now := l.now()
	if !l.out.ready(now, 0) {
		return 0
	}
	b := append(l.scratch[sealedHeader:sealedHeader], op)
	b = append(b, body...)
	n := max(len(b), atLeast-Overhead)
	clear(b[len(b):n])
	return l.write(now, to, n, true)
}

// packet takes a sealed packet that is addressed to l. It reports whether it was
// authentic, and came for the first time.
func (l *Link) packet(p []byte, from netip.AddrPort) bool {
	at := time.Now()
	now := at.Sub(l.born)
	pn, payload, newest, v := l.in.open(p, now)
	switch v {
	case forged:
		l.forged.Add(1)
		return false
	case replayed:
		l.replays.Add(1)
		return false
	}
	l.heard.Store(int64(now))
	l.mu.Lock()
	if newest && l.server && from != l.addr {
		l.elsewhere(from, len(p), now)
	}
	if p[0]&flagControl != 0 {
		tell := l.command(payload, from)
		l.mu.Unlock()
		if tell != nil {
			tell()
		}
		return true
	}
	accept := l.state == open
	l.mu.Unlock()
	if accept {
		l.handler.Packet(at, pn, payload)
	}
	return true
}

// command obeys a control packet. What it does not know it ignores. What it returns is
// to be called without the lock. l.mu is held.
func (l *Link) command(p []byte, from netip.AddrPort) (tell func()) {
	if len(p) == 0 || l.state == gone {
		return nil
	}
	op, body := p[0], p[1:]
	switch {
	case op == opPing:
		l.reply(opPong, nil)
	case op == opChallenge && len(body) >= challengeSize:
		l.reply(opResponse, body[:challengeSize])
	case op == opResponse && len(body) >= challengeSize:
		if l.proven([challengeSize]byte(body), from) {
			return l.handler.Moved
		}
	case op == opClosed && l.state == closing:
		l.finish()
	case op == opClose && len(body) >= 2:
		l.reply(opClosed, nil)
		switch l.state {
		case open:
			l.state = over
			reason := core.CutReason(strings.ToValidUTF8(string(body[2:]), "\uFFFD"))
			err := &core.CloseError{Code: core.Code(order.Uint16(body)), Reason: reason, Remote: true}
			return func() { l.handler.Ended(err) }
		case closing:
			l.finish()
		}
	}
	return nil
}

// reply answers the peer, if it does not ask too often. l.mu is held.
func (l *Link) reply(op byte, body []byte) {
	if l.replies.take(l.now(), repliesPerSecond, replyBurst) {
		l.control(l.addr, op, body, 0)
	}
}
