package gate

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

const (
	helloEvery = 300 * time.Millisecond

	// Somebody on the path can forge a retry. It is believed for as long as it takes
	// to be answered, and then another one is; welcomes to the last few are read.
	retryHolds  = time.Second
	maxAttempts = 4

	// What is wrong and not authentic ends a dial if it is said again and again, for
	// so long that the true server would have been heard.
	hintHellos = 4
	hintHolds  = 1500 * time.Millisecond

	maxAnswers = 64 // that wait to be looked at
)

// dialer is a dial under way, and then what reads for its Link.
type dialer struct {
	cfg     ClientConfig
	pin     string
	sock    *socket
	cid     uint64
	targets []netip.AddrPort
	answers chan answer // what may be the server's, for the goroutine that dials
	broken  chan struct{}

	mu   sync.Mutex
	link *Link

	// What belongs to the goroutine that dials.
	attempts []*attempt // the newest last
	hint     error      // why nothing that was heard could be used
	hinted   time.Time  // when that was heard first
	heard    bool       // it was heard since the last hello
	hints    int        // hellos after which it was
}

// attempt is a handshake with what one retry said.
type attempt struct {
	said  retry
	to    netip.AddrPort
	shake *clientShake
	hello []byte // the packet that is being repeated
	since time.Time
	again bool // it was
}

type answer struct {
	packet []byte
	from   netip.AddrPort
}

func newDialer(cfg ClientConfig, pin string, pc net.PacketConn, targets []netip.AddrPort) *dialer {
	d := &dialer{
		cfg: cfg, pin: pin, sock: newSocket(pc), cid: randomID(), targets: targets,
		answers: make(chan answer, maxAnswers), broken: make(chan struct{}),
	}
	go d.sock.read(d.take, d.ended)
	return d
}

// take takes a packet.
func (d *dialer) take(p []byte, from netip.AddrPort) {
	d.mu.Lock()
	link := d.link
	d.mu.Unlock()
	switch {
	case link == nil:
		if len(p) >= plainHeader && len(p) <= maxAnswer && string(p[:3]) == magic && order.Uint64(p[6:]) == d.cid {
			select {
			case d.answers <- answer{bytes.Clone(p), from}:
			default: // they come faster than they can be true
			}
		}
	case len(p) >= Overhead && p[0]&flagSealed != 0:
		if order.Uint64(p[1:]) == d.cid {
			link.packet(p, from)
		}
	case len(p) == resetPacket && isPlain(p, typeReset):
		link.disowned(p[4:])
	}
}

// target returns where to send what answers a packet from an address. It is always
// where the user wants to go: who forges a packet must not make us send to anybody else,
// and a server with several addresses may answer from another one.
func (d *dialer) target(from netip.AddrPort) netip.AddrPort {
	for _, t := range d.targets {
		if t.Port() == from.Port() && t.Addr().WithZone("") == from.Addr().WithZone("") {
			return t
		}
	}
	return d.targets[0]
}

// ended says that the socket is closed.
func (d *dialer) ended() {
	close(d.broken)
	d.mu.Lock()
	link := d.link
	d.mu.Unlock()
	if link != nil {
		link.lost(&core.CloseError{Code: core.CodeLost, Reason: "the socket was closed", Err: net.ErrClosed}, false)
	}
}

// run leads the handshake to its end.
func (d *dialer) run(ctx context.Context) (*Link, error) {
	again := time.NewTicker(helloEvery)
	defer again.Stop()
	d.knock()
	for {
		select {
		case <-ctx.Done():
			return nil, d.late(ctx)
		case <-d.broken:
			return nil, core.Errorf(core.ErrRefused, "the socket was closed")
		case <-again.C:
			if d.heard {
				d.heard = false
				d.hints++
			}
			if d.hints >= hintHellos && time.Since(d.hinted) >= hintHolds {
				return nil, d.hint
			}
			d.knock()
		case a := <-d.answers:
			link, err := d.answer(a)
			if link != nil || err != nil {
				return link, err
			}
		}
	}
}

// knock says hello, in full or, where that leads nowhere, the first one.
func (d *dialer) knock() {
	if n := len(d.attempts); n > 0 {
		a := d.attempts[n-1]
		a.again = true
		d.sock.write(a.hello, a.to)
		if len(d.targets) == 1 || time.Since(a.since) < retryHolds {
			return
		}
	}
	p := appendHello(nil, hello{kind: d.cfg.Kind, cid: d.cid})
	for _, to := range d.targets {
		d.sock.write(p, to)
	}
}

// late says why the dial took too long.
func (d *dialer) late(ctx context.Context) error {
	switch {
	case d.hint != nil:
		return fmt.Errorf("%w (%w)", d.hint, ctx.Err())
	case len(d.attempts) > 0:
		return core.Errorf(core.ErrTimeout, "the server at %s stopped answering amid the handshake: it may be too busy: %w", d.attempts[0].to, ctx.Err())
	}
	return core.Errorf(core.ErrTimeout, "nobody answered: the server may be down, or the path does not carry UDP packets of %d bytes: %w", MinDatagram, ctx.Err())
}

// answer takes what a server said, if it is one. Anybody may have sent it: what is not
// right is as if it had not come.
func (d *dialer) answer(a answer) (*Link, error) {
	switch {
	case isPlain(a.packet, typeRetry):
		if r, ok := parseRetry(a.packet, d.cfg.Kind); ok {
			d.retry(r, d.target(a.from))
		}
	case isPlain(a.packet, typeVersion):
		if len(a.packet) == versionSize && (a.packet[4] != Version || a.packet[5] != d.cfg.Kind) {
			d.wrong(wrongVersion(a.from, a.packet[4], a.packet[5], d.cfg.Kind))
		}
	case isPlain(a.packet, typeWelcome):
		if _, msg, ok := parseAnswer(a.packet, typeWelcome, d.cfg.Kind); ok {
			if at, payload, keys := d.read(msg, false); at != nil {
				if g, ok := parseGrant(payload); ok {
					return d.welcome(at, g, keys)
				}
			}
		}
	case isPlain(a.packet, typeRefuse):
		if _, msg, ok := parseAnswer(a.packet, typeRefuse, d.cfg.Kind); ok {
			if at, payload, _ := d.read(msg, true); at != nil {
				if r, ok := parseRefusal(payload); ok {
					return nil, &core.CloseError{Code: r.code, Reason: r.reason, Remote: true}
				}
			}
		}
	}
	return nil, nil
}

// read reads a handshake message, which answers one of the attempts, or nothing.
func (d *dialer) read(msg []byte, refused bool) (*attempt, []byte, secrets) {
	for _, a := range slices.Backward(d.attempts) {
		payload, keys, err := a.shake.read(msg, refused)
		if err != nil && !refused && d.cfg.PSK != [32]byte{} {
			payload, keys, err = a.shake.read(msg, true)
		}
		if err == nil {
			return a, payload, keys
		}
	}
	return nil, nil, secrets{}
}

// wrong notes why an answer cannot be used. It may have been forged, and the true
// server may answer yet.
func (d *dialer) wrong(why error) {
	if len(d.attempts) > 0 {
		return
	}
	if d.hint == nil {
		d.hinted = time.Now()
	}
	d.hint, d.heard = why, true
}

func wrongVersion(from netip.AddrPort, version, kind, want byte) error {
	if version != Version {
		return core.Errorf(core.ErrRefused, "the server at %s speaks version %d of the protocol and this program version %d: one of them is to be updated", from, version, Version)
	}
	name, ok := kindNames[kind]
	if !ok {
		name = fmt.Sprintf("kind %d", kind)
	}
	return core.Errorf(core.ErrRefused, "the server at %s speaks %s and not %s: dial it with that transport", from, name, kindNames[want])
}

// retry takes a cookie, and says the hello again, in full.
func (d *dialer) retry(r retry, to netip.AddrPort) {
	if n := len(d.attempts); n > 0 {
		if last := d.attempts[n-1]; time.Since(last.since) < retryHolds || last.said == r && last.to == to {
			return
		}
	}
	if err := identity.Verify(net.UDPAddrFromAddrPort(to), d.pin, r.keys); err != nil {
		d.wrong(err)
		return
	}
	shake, err := newClientShake(r.keys, d.cfg.PSK, prologue(d.cfg.Kind, &r), offer{d.cfg.Idle, d.cfg.Sealed})
	if err != nil {
		d.wrong(core.Errorf(core.ErrUntrusted, "the server at %s shows a key that is none: %w", to, err))
		return
	}
	a := &attempt{said: r, to: to, shake: shake, since: time.Now()}
	a.hello = appendHello(nil, hello{kind: d.cfg.Kind, cid: d.cid, cookie: r.cookie, noise: shake.message})
	if len(d.attempts) == maxAttempts {
		d.attempts = slices.Delete(d.attempts, 0, 1)
	}
	d.attempts = append(d.attempts, a)
	d.hint, d.heard, d.hints = nil, false, 0
	d.sock.write(a.hello, a.to)
}

// welcome makes the Link.
func (d *dialer) welcome(a *attempt, g grant, keys secrets) (*Link, error) {
	in, err := newOpener(keys.toClient)
	if err != nil {
		return nil, err
	}
	var rtt time.Duration
	if !a.again {
		rtt = time.Since(a.since)
	}
	link, err := newLink(linkConfig{
		sock: d.sock, release: func(*Link, bool) { d.sock.close() }, addr: a.to, local: d.cid, remote: g.cid,
		send: keys.toServer, in: in, user: a.said.keys.Pin(), reset: g.reset, idle: d.cfg.Idle, peerIdle: g.idle, rtt: rtt,
	})
	if err != nil {
		return nil, err
	}
	link.handler = d.cfg.Accept(link)
	d.mu.Lock()
	d.link = link // before the server hears of it, and answers
	d.mu.Unlock()
	link.start()
	select {
	case <-d.broken: // before there was a Link to be told
		link.lost(&core.CloseError{Code: core.CodeLost, Reason: "the socket was closed", Err: net.ErrClosed}, false)
	default:
	}
	return link, nil
}
