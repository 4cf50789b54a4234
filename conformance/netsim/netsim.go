package netsim

import (
	"context"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

var _ core.Transport = (*Transport)(nil)

// What the zero fields of a Transport mean.
const (
	DefaultQueueBytes    = 1 << 20 // bytes of one Delivery in one direction
	DefaultQueueMessages = 4096    // messages of one Delivery in one direction
)

// A Transport is a core.Transport whose connections are bad on purpose. Wrap
// makes one. It is safe for concurrent use; its fields must not change after the
// first Listen or Dial. It holds nothing that needs closing; its Conns do.
//
// Links and outages apply to what is sent from then on: what is on its way
// already arrives as it would have. What comes in is on its way as soon as the
// goroutine that takes it from the inner Conn has run; in a bubble, synctest.Wait
// between a send of the peer and a change makes their order certain.
type Transport struct {
	// AtSender moves the whole simulation to the sender: a dialed Conn treats what
	// it sends by the link up and an accepted one by the link down, and neither
	// touches what it receives. Both sides must be wrapped then, by one Transport
	// or by two. It is for inner Conns that are no Tellers. False means that
	// dialed Conns treat both directions and accepted ones are left alone.
	AtSender bool

	// QueueBytes and QueueMessages bound what is on its way in one direction of
	// a Conn, counted for each Delivery apart; beyond them Reliable messages
	// meet core.ErrBackpressure and the Unreliable ones closest to arrival are
	// dropped. A link carries at most that much in the time of its delay. 0
	// means DefaultQueueBytes and DefaultQueueMessages.
	QueueBytes    int
	QueueMessages int

	// Linger is how long Close waits for Reliable messages beyond the time that
	// the link takes for them: for a link that is dark, or a peer that does not
	// keep up. 0 means core.DefaultLinger; a negative value means not to wait
	// beyond that time.
	Linger time.Duration

	inner core.Transport
	seed  uint64

	mu       sync.Mutex
	up, down Link
	outage   outage
	changed  chan struct{} // closed and replaced when outage changes
	dialed   uint64        // connections so far, which number them
	accepted uint64
	conns    map[*Conn]struct{}
}

// Wrap returns inner with link on both directions of its connections. The same
// seed gives the same run, as the package comment says.
func Wrap(inner core.Transport, link Link, seed uint64) *Transport {
	link = link.clean()
	return &Transport{
		inner: inner, seed: seed, up: link, down: link,
		changed: make(chan struct{}), conns: make(map[*Conn]struct{}),
	}
}

// Unwrap returns the Transport that t wraps.
func (t *Transport) Unwrap() core.Transport { return t.inner }

// Listen is the Listen of the inner Transport. The Listener's Conns are left
// alone, as the Dial of a wrapped Transport deals with both directions, unless
// AtSender is set.
func (t *Transport) Listen(ctx context.Context, addr string) (core.Listener, error) {
	l, err := t.inner.Listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: l, sim: t}, nil
}

// Dial connects over the link: it takes a round trip of Latency before the inner
// Dial is tried, and while the link is dark it waits. If ctx ends meanwhile, the
// error wraps ctx.Err() and is a core.ErrTimeout when a deadline passed. The Conn
// is a *Conn.
func (t *Transport) Dial(ctx context.Context, addr string) (core.Conn, error) {
	if err := t.knock(ctx); err != nil {
		return nil, core.DialError(core.ErrTimeout, addr, err)
	}
	inner, err := t.inner.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return t.wrap(inner, true), nil
}

// knock waits for as long as a hello and its answer would take.
func (t *Transport) knock(ctx context.Context) error {
	for {
		t.mu.Lock()
		dark, changed := t.outage.dark(now()), t.changed
		wait := t.up.Latency + t.down.Latency
		if dark {
			wait = t.outage.until - now()
		}
		forever := t.outage.cut
		t.mu.Unlock()
		if !dark {
			changed = nil // only time matters
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var alarm <-chan time.Time
		if !forever {
			if wait <= 0 && !dark {
				return nil
			}
			timer := time.NewTimer(wait)
			defer timer.Stop()
			alarm = timer.C
		}
		select {
		case <-alarm:
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !dark && !t.dark() {
			return nil
		}
	}
}

func (t *Transport) dark() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outage.dark(now())
}

// wrap starts the simulation of one connection.
func (t *Transport) wrap(inner core.Conn, dialed bool) *Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	number := &t.dialed
	if !dialed {
		number = &t.accepted
	}
	c := newConn(t, inner, dialed, *number)
	*number++
	t.conns[c] = struct{}{}
	c.configure(t.up, t.down)
	c.outages[everyConn] = t.outage
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.pump(ctx)
	return c
}

func (t *Transport) forget(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// SetLink puts link on both directions of all connections, those to come too.
func (t *Transport) SetLink(link Link) { t.SetLinks(link, link) }

// SetLinks is SetLink with a link of its own for each direction: up leads from
// the dialer to the Listener, down to the dialer.
func (t *Transport) SetLinks(up, down Link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.up, t.down = up.clean(), down.clean()
	for c := range t.conns {
		c.SetLinks(up, down)
	}
}

// Blackout makes all connections dark for d from now on, both ways, and returns at
// once. In the dark Unreliable messages are lost, Reliable ones wait and set out
// when the link heals, and Dial waits. Of several blackouts the longest counts.
func (t *Transport) Blackout(d time.Duration) {
	t.alter(func(o *outage) { o.blackout(now(), d) })
}

// Cut makes all connections dark until Heal.
func (t *Transport) Cut() { t.alter(func(o *outage) { o.cut = true }) }

// Heal ends Cut and Blackout. It does not touch those of single Conns.
func (t *Transport) Heal() { t.alter(func(o *outage) { o.heal(now()) }) }

func (t *Transport) alter(change func(*outage)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.outage)
	close(t.changed)
	t.changed = make(chan struct{})
	for c := range t.conns {
		c.alter(everyConn, func(o *outage) { *o = t.outage })
	}
}

// A listener hands the inner Listener's Conns on.
type listener struct {
	core.Listener
	sim *Transport
}

func (l *listener) Unwrap() core.Listener { return l.Listener }

func (l *listener) Accept(ctx context.Context) (core.Conn, error) {
	c, err := l.Listener.Accept(ctx)
	if err != nil || !l.sim.AtSender {
		return c, err
	}
	return l.sim.wrap(c, false), nil
}
