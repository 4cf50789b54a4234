package udp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
	"github.com/parley-net/parley/transport/internal/gate"
	"github.com/parley-net/parley/transport/token"
)

var (
	_ core.Transport = (*Transport)(nil)
	_ core.Listener  = (*listener)(nil)
	_ core.Pinner    = (*listener)(nil)
)

// Defaults of a Config.
const (
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultIdleTimeout      = 10 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
	DefaultMaxConns         = 4096
)

// backlog is how many connections wait for Accept at most.
const backlog = 128

// Config says how a Transport works. Its zero value is ready to use.
type Config struct {
	// Identity is the key that Listeners show, and whose pin players need. Zero
	// means a fresh one for each Transport: then the pin changes with each start.
	Identity *identity.Key

	// Tokens checks the tokens of those who dial a Listener of this Transport. Zero
	// means that everybody may come in.
	Tokens *token.Verifier

	// Token returns the token for one Dial, as a token opens a server's gate once. It
	// is called before anything is sent, with the context of Dial. Zero means that
	// Dial shows none.
	Token func(ctx context.Context) (token.Token, error)

	// Linger is how long Close waits for Reliable messages to arrive. Zero means
	// core.DefaultLinger.
	Linger time.Duration

	// HandshakeTimeout is how long Dial tries. A shorter deadline of its context
	// counts. Zero means DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// IdleTimeout is how long the peer may be silent before the connection ends with
	// core.CodeTimeout. Peers tell each other theirs, and say something four times in
	// the shorter, at least once a second. Zero means DefaultIdleTimeout.
	IdleTimeout time.Duration

	// WriteTimeout is how long a peer may acknowledge nothing Reliable, though it is
	// not silent, before the connection ends with core.CodeSlow. Zero means
	// DefaultWriteTimeout.
	WriteTimeout time.Duration

	// MaxConns is how many connections a Listener has at most; who comes then is
	// refused with core.CodeFull. Zero means DefaultMaxConns.
	MaxConns int

	// ListenPacket makes the sockets of Listeners and of Dial; network is "udp". It
	// lets tests and sandboxes bring their own. Zero means net.ListenConfig's.
	ListenPacket func(ctx context.Context, network, addr string) (net.PacketConn, error)
}

// Transport makes connections over UDP. Make one with [New]. It holds no resources
// and needs no closing; it is safe for concurrent use.
type Transport struct {
	cfg    Config
	native bool // ListenPacket is the system's
	key    func() (*identity.Key, error)
}

// New returns a Transport that works as cfg says. It copies cfg.
func New(cfg Config) *Transport {
	t := &Transport{cfg: cfg, native: cfg.ListenPacket == nil}
	setDefault(&t.cfg.Linger, core.DefaultLinger)
	setDefault(&t.cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&t.cfg.IdleTimeout, DefaultIdleTimeout)
	setDefault(&t.cfg.WriteTimeout, DefaultWriteTimeout)
	t.cfg.MaxConns = cmp.Or(max(cfg.MaxConns, 0), DefaultMaxConns)
	if t.native {
		t.cfg.ListenPacket = new(net.ListenConfig).ListenPacket
	}
	t.key = sync.OnceValues(func() (*identity.Key, error) {
		if cfg.Identity != nil {
			return cfg.Identity, nil
		}
		return identity.Generate()
	})
	return t
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Dial connects to the Listener at addr, "host:port#pin". Of a name with several
// addresses up to four are tried at once. Without a pin Dial trusts servers on this
// machine only; elsewhere the error wraps core.ErrUntrusted and says what to add.
//
// The error wraps core.ErrTimeout where no answer came in time, which is also how a
// Dial to nobody on another machine ends, as what routers say about UDP can be forged;
// core.ErrRefused where nobody listens on this machine, the server turned us away (and
// then it is a *core.CloseError also), speaks another protocol, or has a name that does
// not exist; core.ErrMalformed for an
// impossible pin; what Config.Token returned; and ctx.Err() when ctx ended.
func (t *Transport) Dial(ctx context.Context, addr string) (core.Conn, error) {
	cfg := gate.ClientConfig{
		Kind: gate.KindUDP, Idle: t.cfg.IdleTimeout, ListenPacket: t.cfg.ListenPacket, Loopback: t.native,
	}
	if t.cfg.Token != nil && ctx.Err() == nil {
		tok, err := t.cfg.Token(ctx)
		if err != nil {
			return nil, core.DialError(core.ErrRefused, addr, fmt.Errorf("get a token: %w", err))
		}
		cfg.Sealed, cfg.PSK = tok.Sealed, tok.PSK
	}
	var c *conn
	cfg.Accept = func(l *gate.Link) gate.Handler {
		c = newConn(l, &t.cfg)
		return c
	}
	shaking, stop := context.WithTimeout(ctx, t.cfg.HandshakeTimeout)
	defer stop()
	if _, err := gate.Dial(shaking, addr, cfg); err != nil {
		if e := ctx.Err(); e != nil && !errors.Is(err, e) {
			err = fmt.Errorf("%w: %w", err, e)
		}
		return nil, err
	}
	return c, nil
}
