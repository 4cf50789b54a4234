package tcp

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/identity"
)

var (
	_ core.Transport = (*Transport)(nil)
	_ core.Listener  = (*listener)(nil)
	_ core.Pinner    = (*listener)(nil)
)

// Sizes of messages in bytes, which never change.
const (
	// MaxUnreliable is Conn.MaxSize(core.Unreliable). It is small so that an old
	// message does not hold a new one back for long.
	MaxUnreliable = 8 << 10
	// MaxReliable is Conn.MaxSize(core.Reliable).
	MaxReliable = core.MinReliableSize
)

// Defaults of a Config.
const (
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultIdleTimeout      = 10 * time.Second
	DefaultWriteTimeout     = 30 * time.Second
)

// Bounds of what a connection holds, in bytes unless they say otherwise.
const (
	queueSize       = 1 << 20  // of Reliable frames that wait
	unreliableSize  = 64 << 10 // of Unreliable frames that wait
	unreliableCount = 64       // Unreliable frames that wait
	batchSize       = 16 << 10 // of one write: one TLS record
	inboxSize       = 32 << 10 // of frames read and not taken; the last block may exceed it
	inboxBlocks     = 16       // blocks read and not taken
	freeBlocks      = 4        // read buffers that wait to be used again
	smallBlock      = 2 << 10  // of a read buffer at first
	largeBlock      = 16 << 10 // of a read buffer under load
	keptBlock       = 64 << 10 // of a read buffer that is used again
	drainLimit      = 1 << 20  // read and thrown away from a peer that broke the protocol
)

// maxBeats is how many keepalives a peer may send in a second. It needs one or two.
const maxBeats = 2000

// Bounds of what a Listener holds about strangers.
const (
	maxHalfOpen = 512 // handshakes under way; one more ends the oldest
	backlog     = 128 // connections that wait for Accept
)

const (
	slowestBeat = time.Second            // between keepalives
	shortLinger = 250 * time.Millisecond // for a goodbye to a peer that fell silent
)

// Config says how a Transport works. Its zero value is ready to use.
type Config struct {
	// Identity is the key that Listeners show, and whose pin players need. Zero
	// means a fresh one for each Transport: then the pin changes with each start.
	Identity *identity.Key

	// Linger is how long Close waits for Reliable messages to arrive. Zero means
	// core.DefaultLinger.
	Linger time.Duration

	// HandshakeTimeout is how long a handshake may take, on either side, from the
	// TCP connection to the welcome, and with the default DialContext also how long
	// the TCP connection may take. A shorter deadline of Dial's context counts.
	// Zero means DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// IdleTimeout is how long the peer may be silent before the connection ends with
	// core.CodeTimeout. A peer with nothing to say sends a keepalive after a quarter
	// of its own IdleTimeout, a second at most; so a value below 4 s must be set on both
	// sides. Zero means DefaultIdleTimeout.
	IdleTimeout time.Duration

	// WriteTimeout is how long a peer may take nothing of what is sent to it before
	// the connection ends with core.CodeSlow. Zero means DefaultWriteTimeout.
	WriteTimeout time.Duration

	// Listen makes the sockets of Listeners; network is "tcp". It lets tests and
	// sandboxes bring their own. Zero means net.ListenConfig's.
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)

	// DialContext makes the sockets of Dial; network is "tcp". It may lead through a
	// proxy, and must return within ctx. Zero means net.Dialer's.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Transport makes connections over TCP. Make one with [New]. It holds no resources
// and needs no closing; it is safe for concurrent use.
type Transport struct {
	cfg    Config
	server func() (*tls.Config, string, error) // TLS for Listeners, and their pin
	proxy  bool                                // DialContext is not ours

	maxHalfOpen, backlog int
}

// New returns a Transport that works as cfg says. It copies cfg.
func New(cfg Config) *Transport {
	t := &Transport{cfg: cfg, proxy: cfg.DialContext != nil, maxHalfOpen: maxHalfOpen, backlog: backlog}
	setDefault(&t.cfg.Linger, core.DefaultLinger)
	setDefault(&t.cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&t.cfg.IdleTimeout, DefaultIdleTimeout)
	setDefault(&t.cfg.WriteTimeout, DefaultWriteTimeout)
	if t.cfg.Listen == nil {
		t.cfg.Listen = new(net.ListenConfig).Listen
	}
	if t.cfg.DialContext == nil {
		t.cfg.DialContext = (&net.Dialer{Timeout: t.cfg.HandshakeTimeout}).DialContext
	}
	var once sync.Once
	var conf *tls.Config
	var key = cfg.Identity
	var err error
	t.server = func() (*tls.Config, string, error) {
		once.Do(func() {
			if key == nil {
				if key, err = identity.Generate(); err != nil {
					return
				}
			}
			if conf, err = identity.ServerConfig(key); err == nil {
				conf.DynamicRecordSizingDisabled = true // a batch is a record
			}
		})
		if err != nil {
			return nil, "", err
		}
		return conf, key.Pin(), nil
	}
	return t
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// beat returns the time between keepalives.
func (c *Config) beat() time.Duration {
	return max(min(c.IdleTimeout/4, slowestBeat), time.Millisecond)
}
