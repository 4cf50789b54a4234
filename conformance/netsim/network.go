package netsim

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Network is a bad network for packets: net.PacketConns in one process, with
// addresses like those of UDP and a seed. NewNetwork makes one. It is safe for
// concurrent use.
//
// All links are perfect at first. Links and outages apply to what is sent from then
// on: what is on its way already arrives as it would have.
//
// It holds no goroutine. While packets are on their way it holds a timer, so in a
// bubble of testing/synctest it must be made inside. Nothing needs to be closed
// but its PacketConns; Close closes them all.
type Network struct {
	seed  uint64
	start time.Duration

	mu     sync.Mutex
	closed bool
	bound  map[netip.AddrPort]*PacketConn
	conns  map[*PacketConn]struct{} // those open
	opened uint64                   // so far
	ports  map[netip.Addr]uint16    // which port was given last

	links   map[pair]*PacketLink
	outages map[pair]*outage
	changes uint64 // of links and outages, so that paths know when to look again
	paths   map[pair]*path

	flying inFlight
	seq    uint64
	timer  *time.Timer
	armed  time.Duration // when the timer runs; 0 if it does not
	idle   []*datagram

	filter  func(Packet) Verdict
	taps    []*func(Event)
	events  []Event // that taps have not seen yet
	telling bool    // some goroutine calls the taps
	stray   Counters
}

// NewNetwork returns a Network without PacketConns. The same seed gives the same run,
// as the package comment says.
func NewNetwork(seed uint64) *Network {
	return &Network{
		seed: seed, start: now(),
		bound: make(map[netip.AddrPort]*PacketConn), conns: make(map[*PacketConn]struct{}), ports: make(map[netip.Addr]uint16),
		links: make(map[pair]*PacketLink), outages: make(map[pair]*outage), paths: make(map[pair]*path),
	}
}

// SetLink sets the link of all packets for which no Route sets another.
func (n *Network) SetLink(l PacketLink) { n.Route(Any, Any).SetLink(l) }

// Blackout loses all packets sent from now on for d, and returns at once. Of several
// blackouts the longest counts.
func (n *Network) Blackout(d time.Duration) { n.Route(Any, Any).Blackout(d) }

// Cut loses all packets until Heal.
func (n *Network) Cut() { n.Route(Any, Any).Cut() }

// Heal ends Cut and Blackout. It does not touch those of single Routes.
func (n *Network) Heal() { n.Route(Any, Any).Heal() }

// Conn returns the PacketConn that receives what is sent to addr, or nil.
func (n *Network) Conn(addr netip.AddrPort) *PacketConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bound[canonical(addr)]
}

// Conns returns the PacketConns that are open, in the order in which they were
// opened.
func (n *Network) Conns() []*PacketConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.SortedFunc(maps.Keys(n.conns), func(a, b *PacketConn) int { return cmp.Compare(a.number, b.number) })
}

// Close closes all PacketConns, forgets what is on its way, and lets nobody open
// another one. It returns nil.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.unlock()
	n.closed = true
	for c := range n.conns {
		c.shut()
	}
	n.flying = nil
	if n.timer != nil {
		n.timer.Stop()
	}
	return nil
}

// unlock tells the taps what happened, and releases the lock. Taps run one at a time
// and without the lock: what happens meanwhile is told by the goroutine that is
// at it.
func (n *Network) unlock() {
	for len(n.events) > 0 && !n.telling {
		n.telling = true
		events, taps := n.events, n.taps
		n.events = nil
		n.mu.Unlock()
		for _, e := range events {
			for _, tap := range taps {
				(*tap)(e)
			}
		}
		n.mu.Lock()
		n.telling = false
	}
	n.mu.Unlock()
}

var _ interface {
	net.PacketConn
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
} = (*PacketConn)(nil)
