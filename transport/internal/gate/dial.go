package gate

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

// ClientConfig says how Dial works. All fields but Sealed and PSK are needed.
type ClientConfig struct {
	Kind byte
	Idle time.Duration // silence after which the server is lost

	// Sealed and PSK are of the token for this dial, or nothing.
	Sealed []byte
	PSK    [32]byte

	// ListenPacket opens the socket.
	ListenPacket func(ctx context.Context, network, addr string) (net.PacketConn, error)
	// Loopback says that ListenPacket is the system's, so that who dials a loopback
	// address need not be open to the world.
	Loopback bool

	// Accept returns what stands on the Link.
	Accept func(*Link) Handler
}

const (
	helloEvery = 300 * time.Millisecond
	maxTargets = 4 // addresses of a name that are tried, all at once
	maxHints   = 3 // hellos that a wrong answer must outlast to be believed
)

// Dial knocks at the gate at addr, "host:port" or "host:port#pin". The errors are
// those that core.Transport asks for.
func Dial(ctx context.Context, addr string, cfg ClientConfig) (*Link, error) {
	hostport, pin, err := identity.Split(addr)
	if err != nil {
		return nil, core.DialError(core.ErrMalformed, addr, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, core.DialError(core.ErrTimeout, addr, err)
	}
	if len(cfg.Sealed) > maxToken {
		return nil, core.DialError(core.ErrTooLarge, addr, fmt.Errorf("the token has %d bytes, and %d are the most", len(cfg.Sealed), maxToken))
	}
	targets, err := resolve(ctx, hostport)
	if err != nil {
		return nil, core.DialError(core.ErrRefused, addr, err)
	}
	bind := ":0"
	if cfg.Loopback && !slices.ContainsFunc(targets, func(a netip.AddrPort) bool { return !a.Addr().IsLoopback() }) {
		bind = "localhost:0"
		if len(targets) == 1 {
			bind = net.JoinHostPort(targets[0].Addr().String(), "0")
		} else {
			targets = slices.DeleteFunc(targets, func(a netip.AddrPort) bool { return !a.Addr().Is4() })
			bind = "127.0.0.1:0"
		}
	}
	pc, err := cfg.ListenPacket(ctx, "udp", bind)
	if err != nil {
		return nil, core.DialError(core.ErrRefused, addr, err)
	}
	d := &dialer{
		cfg: cfg, pin: pin, sock: newSocket(pc), cid: randomID(), targets: targets,
		answers: make(chan answer, 8), broken: make(chan struct{}),
	}
	go d.sock.read(d.take, d.ended)
	link, err := d.run(ctx)
	if err != nil {
		d.sock.close()
		d.sock.wait()
		kind := core.ErrRefused
		for _, k := range []error{core.ErrUntrusted, core.ErrTimeout} {
			if errors.Is(err, k) {
				kind = k
			}
		}
		return nil, core.DialError(kind, addr, err)
	}
	return link, nil
}

// resolve returns the addresses that hostport stands for.
func resolve(ctx context.Context, hostport string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		if a := netip.AddrPortFrom(ip.Unmap(), uint16(port)); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out[:min(len(out), maxTargets)], nil
}

// dialer is a dial under way, and then what reads for its Link.
type dialer struct {
	cfg     ClientConfig
	pin     string
	sock    *socket
	cid     uint64
	targets []netip.AddrPort
	answers chan answer // what is not sealed, for the goroutine that dials
	broken  chan struct{}

	mu   sync.Mutex
	link *Link

	// What belongs to the goroutine that dials.
	shake *clientShake
	epoch [epochSize]byte
	hello []byte // the packet that is being repeated
	keys  identity.PublicKeys
	hint  error // why nothing that was heard could be used
	hints int
	asked time.Time // when the full hello went out, if once only
}

type answer struct {
	packet []byte
	from   netip.AddrPort
}

// take takes a packet.
func (d *dialer) take(p []byte, from netip.AddrPort) {
	d.mu.Lock()
	link := d.link
	d.mu.Unlock()
	switch {
	case link == nil:
		if len(p) <= maxWelcome && len(p) > 0 && p[0]&flagSealed == 0 {
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
		if subtle.ConstantTimeCompare(p[4:], link.reset[:]) == 1 {
			link.lost(&core.CloseError{Code: core.CodeLost, Reason: "the server does not know this connection: it was restarted, or gave it up"}, false)
		}
	}
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
	d.hello = appendHello(nil, hello{kind: d.cfg.Kind, cid: d.cid})
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
			d.asked = time.Time{}
			if d.hint != nil {
				if d.hints++; d.hints >= maxHints {
					return nil, d.hint
				}
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

func (d *dialer) knock() {
	for _, to := range d.targets {
		d.sock.write(d.hello, to)
	}
}

// late says why the dial took too long.
func (d *dialer) late(ctx context.Context) error {
	switch {
	case d.hint != nil:
		return fmt.Errorf("%w (%w)", d.hint, ctx.Err())
	case d.shake != nil:
		return core.Errorf(core.ErrTimeout, "the server at %s stopped answering amid the handshake: it may be too busy: %w", d.targets[0], ctx.Err())
	}
	return core.Errorf(core.ErrTimeout, "nobody answered: the server may be down, or the path does not carry UDP packets of %d bytes: %w", MinDatagram, ctx.Err())
}

// answer takes what a server said, if it is one. Anybody may have sent it: what is not
// right is as if it had not come.
func (d *dialer) answer(a answer) (*Link, error) {
	switch {
	case isPlain(a.packet, typeRetry):
		if r, ok := parseRetry(a.packet, d.cfg.Kind); ok && r.cid == d.cid {
			return nil, d.retry(r, a.from)
		}
	case isPlain(a.packet, typeVersion):
		if len(a.packet) == versionSize && order.Uint64(a.packet[6:]) == d.cid && d.shake == nil {
			d.hint = wrongVersion(a.from, a.packet[4], a.packet[5], d.cfg.Kind)
		}
	case isPlain(a.packet, typeWelcome):
		if cid, msg, ok := parseAnswer(a.packet, typeWelcome, d.cfg.Kind); ok && cid == d.cid && d.shake != nil {
			payload, keys, err := d.shake.read(msg, false)
			if err != nil {
				return nil, nil
			}
			if g, ok := parseGrant(payload); ok {
				return d.welcome(g, keys, a.from)
			}
		}
	case isPlain(a.packet, typeRefuse):
		if cid, msg, ok := parseAnswer(a.packet, typeRefuse, d.cfg.Kind); ok && cid == d.cid && d.shake != nil {
			payload, _, err := d.shake.read(msg, true)
			if err != nil {
				return nil, nil
			}
			if r, ok := parseRefusal(payload); ok {
				return nil, &core.CloseError{Code: r.code, Reason: r.reason, Remote: true}
			}
		}
	}
	return nil, nil
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
func (d *dialer) retry(r retry, from netip.AddrPort) error {
	if err := identity.Verify(net.UDPAddrFromAddrPort(from), d.pin, r.keys); err != nil {
		if d.shake == nil {
			d.hint = err // it may have been forged: the true server may answer yet
		}
		return nil
	}
	if d.shake == nil || r.epoch != d.epoch || r.keys != d.keys {
		p := prologue(d.cfg.Kind, r.epoch[:], r.keys, d.cid, d.cfg.Sealed)
		shake, err := newClientShake(r.keys, d.cfg.PSK, p, offer{d.cfg.Idle})
		if err != nil {
			if d.shake == nil {
				d.hint = core.Errorf(core.ErrUntrusted, "the server at %s shows a key that is none: %w", from, err)
			}
			return nil
		}
		d.shake, d.epoch, d.keys = shake, r.epoch, r.keys
	}
	d.hint = nil
	d.targets = []netip.AddrPort{from}
	d.hello = appendHello(d.hello[:0], hello{kind: d.cfg.Kind, cid: d.cid, cookie: r.cookie[:], noise: d.shake.message, token: d.cfg.Sealed})
	d.asked = time.Now()
	d.knock()
	return nil
}

// welcome makes the Link.
func (d *dialer) welcome(g grant, keys secrets, from netip.AddrPort) (*Link, error) {
	in, err := newOpener(keys.toClient)
	if err != nil {
		return nil, err
	}
	var rtt time.Duration
	if !d.asked.IsZero() {
		rtt = time.Since(d.asked)
	}
	link, err := newLink(linkConfig{
		sock: d.sock, release: func(*Link, bool) { d.sock.close() }, addr: from, local: d.cid, remote: g.cid,
		send: keys.toServer, in: in, user: d.keys.Pin(), reset: g.reset, idle: d.cfg.Idle, peerIdle: g.idle, rtt: rtt,
	})
	if err != nil {
		return nil, err
	}
	h := d.cfg.Accept(link)
	link.start(h)
	d.mu.Lock()
	d.link = link
	d.mu.Unlock()
	return link, nil
}
