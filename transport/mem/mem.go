package mem

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/parley-net/parley/core"
)

var _ core.Transport = (*Transport)(nil)

// What the zero fields of a Transport mean.
const (
	DefaultBacklog       = 128                  // connections
	DefaultQueueBytes    = 1 << 20              // bytes of one Delivery in one direction
	DefaultQueueMessages = 4096                 // messages of one Delivery in one direction
	DefaultMaxUnreliable = 1200                 // bytes: what a packet on the Internet carries
	DefaultMaxReliable   = core.MinReliableSize // bytes
)

// A Transport is a network of its own: its Dial reaches its Listeners and nobody
// else's. The zero value is ready to use. A Transport is safe for concurrent use,
// must not be copied, and its fields must not change after the first Listen or
// Dial. It holds nothing that needs closing.
type Transport struct {
	// Backlog is how many connections may wait for one Listener's Accept;
	// further dialers wait until there is room. 0 means DefaultBacklog; a
	// negative value means that Dial waits for Accept.
	Backlog int

	// QueueBytes and QueueMessages bound what may wait in one direction of a
	// Conn for the peer's Recv, counted for each Delivery apart, so that
	// Unreliable messages never crowd out Reliable ones. QueueBytes counts
	// payload and is at least the largest message. 0 means DefaultQueueBytes and
	// DefaultQueueMessages.
	QueueBytes    int
	QueueMessages int

	// MaxUnreliable and MaxReliable are what Conn.MaxSize returns, in bytes. A
	// value below the floors of package core makes an adapter that declares
	// small messages. 0 means DefaultMaxUnreliable and DefaultMaxReliable.
	MaxUnreliable int
	MaxReliable   int

	mu        sync.Mutex
	listeners map[string]*listener
	ports     uint64 // the last number given to an address
}

// Listen starts to accept connections at addr, which may be any string and is
// compared byte by byte. "" chooses a free address of the form "mem:N"; an
// address that ends in ":0" has the 0 replaced so that it is free. Listen fails
// when another Listener has addr, or ctx is over; the address is free again once
// that Listener is closed.
func (t *Transport) Listen(ctx context.Context, addr string) (core.Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("parley: listen %q: %w", addr, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if host, ok := strings.CutSuffix(addr, ":0"); ok || addr == "" {
		addr = t.free(host)
	}
	if _, taken := t.listeners[addr]; taken {
		return nil, fmt.Errorf("parley: listen %q: address already in use", addr)
	}
	l := newListener(t, address(addr))
	if t.listeners == nil {
		t.listeners = make(map[string]*listener)
	}
	t.listeners[addr] = l
	return l, nil
}

// Dial connects to the Listener at addr. It returns once the connection sits in
// that Listener's backlog, which may be before Accept returns the other end.
// Without a Listener, or when the Listener closes meanwhile, the error is a
// core.ErrRefused. While the backlog is full Dial waits; if ctx runs out, the
// error wraps ctx.Err(), and is a core.ErrTimeout when a deadline passed.
func (t *Transport) Dial(ctx context.Context, addr string) (core.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, core.DialError(core.ErrRefused, addr, err)
	}
	t.mu.Lock()
	l := t.listeners[addr]
	var local address
	if l != nil {
		local = address(t.free("mem"))
	}
	t.mu.Unlock()
	if l == nil {
		return nil, core.DialError(core.ErrRefused, addr, fmt.Errorf("nobody listens"))
	}

	client, server := newPair(t.limits(), local, l.addr)
	select {
	case l.backlog <- server:
	case <-l.closed:
		return nil, core.DialError(core.ErrRefused, addr, fmt.Errorf("listener closed"))
	case <-ctx.Done():
		return nil, core.DialError(core.ErrTimeout, addr, ctx.Err())
	}
	select {
	case <-l.closed:
		// Close may have emptied the backlog before we entered it.
		l.refuseWaiting()
		if err := client.refused(); err != nil {
			return nil, core.DialError(core.ErrRefused, addr, err)
		}
	default:
	}
	return client, nil
}

// free returns an address of host that no Listener has; "" stands for "mem".
// The caller holds t.mu.
func (t *Transport) free(host string) string {
	if host == "" {
		host = "mem"
	}
	for {
		t.ports++
		addr := host + ":" + strconv.FormatUint(t.ports, 10)
		if _, taken := t.listeners[addr]; !taken {
			return addr
		}
	}
}

// limits are the sizes of a Transport with the defaults filled in, by Delivery
// where there are two.
type limits struct {
	size            [2]int
	bytes, messages int
}

func (t *Transport) limits() limits {
	lim := limits{
		size: [2]int{
			core.Unreliable: or(t.MaxUnreliable, DefaultMaxUnreliable),
			core.Reliable:   or(t.MaxReliable, DefaultMaxReliable),
		},
		bytes:    or(t.QueueBytes, DefaultQueueBytes),
		messages: or(t.QueueMessages, DefaultQueueMessages),
	}
	lim.bytes = max(lim.bytes, lim.size[core.Unreliable], lim.size[core.Reliable])
	return lim
}

func or(v, zero int) int {
	if v == 0 {
		return zero
	}
	return max(v, 1)
}

// address is a net.Addr of this package's networks.
type address string

var _ net.Addr = address("")

func (address) Network() string  { return "mem" }
func (a address) String() string { return string(a) }
