package netsim

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Way is a direction through a Proxy, or both.
type Way uint8

// The ways of a Proxy.
const (
	Up   Way = 1 << iota // from those who connect to the target
	Down                 // from the target to those who connected

	BothWays = Up | Down
)

// A Stream says how a Proxy treats one way of its connections. The zero Stream passes
// everything on at once. Write literals with field names: fields may be added.
type Stream struct {
	// Delay is how much later each byte arrives, and the end as well. 0 means not at
	// all.
	Delay time.Duration
	// Chunk is how many bytes are passed on at a time, at most: 1 makes a reader see
	// them one by one. 0 means as many as come.
	Chunk int
	// Pause is how long the Proxy waits after each chunk. 0 means not at all.
	Pause time.Duration
	// ResetAfter is how many bytes pass before the connection is reset, on both of
	// its sides and amid whatever they form. 0 means that it is not.
	ResetAfter int
	// EndAfter is how many bytes pass before this way ends, as if its sender had
	// closed it; what else he sends is thrown away, and the other way goes on. 0 means
	// that it does not.
	EndAfter int
}

// A Proxy is a bad network for streams: a TCP server on this machine that leads each
// connection to another address and does to it on its way what networks do. NewProxy
// makes one. It stands before whatever speaks over TCP: a Transport, a database.
//
// What is set concerns connections that exist and those to come. A Proxy runs in real
// time and is safe for concurrent use. It must be closed.
type Proxy struct {
	target string
	door   net.Listener
	busy   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when what follows changes
	streams [2]Stream
	stalled Way
	refuse  bool
	passed  [2]int64
	closed  bool
	conns   map[*proxied]struct{}
}

// NewProxy makes a Proxy to target, "host:port", at a port of its own on 127.0.0.1.
// Nothing needs to listen at target yet.
func NewProxy(target string) (*Proxy, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return nil, fmt.Errorf("netsim: a proxy to %q: %w", target, err)
	}
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("netsim: a proxy to %s: %w", target, err)
	}
	p := &Proxy{target: target, door: door, changed: make(chan struct{}), conns: make(map[*proxied]struct{})}
	p.busy.Go(p.serve)
	return p, nil
}

// Addr returns where to connect, "127.0.0.1:port".
func (p *Proxy) Addr() net.Addr { return p.door.Addr() }

// Conns returns how many connections there are: those of which either way may still
// pass something, and those that are led to the target just now.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Passed returns how many bytes have passed on a way so far, of all connections.
func (p *Proxy) Passed(w Way) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, passed := range p.passed {
		if w&(1<<i) != 0 {
			n += passed
		}
	}
	return n
}

// SetStream puts s on a way. ResetAfter and EndAfter count from then on.
func (p *Proxy) SetStream(w Way, s Stream) {
	p.change(func() {
		for i := range p.streams {
			if w&(1<<i) == 0 {
				continue
			}
			p.streams[i] = s
			for c := range p.conns {
				c.passed[i] = 0
			}
		}
	})
}

// Stall lets nothing pass on a way until Resume, and takes nothing: the sender's
// kernel soon has no room. Nobody is told, as when a cable is pulled.
func (p *Proxy) Stall(w Way) { p.change(func() { p.stalled |= w & BothWays }) }

// Resume ends Stall. Nothing was lost.
func (p *Proxy) Resume(w Way) { p.change(func() { p.stalled &^= w }) }

// Refuse makes the Proxy reset those who connect, or leads them to the target again.
func (p *Proxy) Refuse(on bool) { p.change(func() { p.refuse = on }) }

// Cut resets all connections, on both of their sides. What is on its way is lost.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.reset()
	}
}

// Close stops the Proxy, resets its connections, and returns nil.
func (p *Proxy) Close() error {
	p.change(func() { p.closed = true })
	p.door.Close()
	p.Cut()
	p.busy.Wait()
	return nil
}

// change changes p and wakes all that wait for it.
func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) serve() {
	for {
		near, err := p.door.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as too many open files
			time.Sleep(time.Millisecond)
			continue
		}
		c := p.connection(near)
		p.mu.Lock()
		if p.refuse || p.closed {
			c.reset()
		} else {
			p.conns[c] = struct{}{}
			p.busy.Go(c.lead)
		}
		p.mu.Unlock()
	}
}
