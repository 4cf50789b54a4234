package netsim

import (
	"net/netip"
	"time"
)

// A Route is a part of a Network: the way from some addresses to others, in that
// direction. It only serves to set and read what concerns that part, and may be copied.
type Route struct {
	net *Network
	key pair
}

// Route returns the way from from to to. Each is an address, a host as an address with
// port 0, or Any.
func (n *Network) Route(from, to netip.AddrPort) Route {
	return Route{n, pair{canonical(from), canonical(to)}}
}

// Back returns the other direction of r.
func (r Route) Back() Route { return Route{r.net, pair{r.key.to, r.key.from}} }

// SetLink sets the link of the packets of r. Of several Routes that a packet belongs
// to, the one with the most exact sender counts (an address, a host, Any), and among
// those the one with the most exact receiver.
func (r Route) SetLink(l PacketLink) {
	l = l.clean()
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	r.net.links[r.key] = &l
	r.net.changes++
}

// UnsetLink undoes SetLink.
func (r Route) UnsetLink() {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	delete(r.net.links, r.key)
	r.net.changes++
}

// Blackout loses the packets of r that are sent from now on for d, and returns at
// once. Of several blackouts the longest counts.
func (r Route) Blackout(d time.Duration) { r.alter(func(o *outage) { o.blackout(now(), d) }) }

// Cut loses the packets of r until Heal.
func (r Route) Cut() { r.alter(func(o *outage) { o.cut = true }) }

// Heal ends Cut and Blackout of r. It does not touch those of other Routes, even where
// they share packets.
func (r Route) Heal() { r.alter(func(o *outage) { *o = outage{} }) }

func (r Route) alter(change func(*outage)) {
	n := r.net
	n.mu.Lock()
	defer n.mu.Unlock()
	o := n.outages[r.key]
	if o == nil {
		o = new(outage)
		n.outages[r.key] = o
	}
	if change(o); *o == (outage{}) {
		delete(n.outages, r.key)
	}
	n.changes++
}

// Counters returns what became of the packets of r so far. Injected ones, and those
// that were sent to where nobody was, count only for the whole Network, the Route from
// Any to Any.
func (r Route) Counters() Counters {
	n := r.net
	n.mu.Lock()
	defer n.unlock()
	n.advance(now())
	var c Counters
	if r.key == (pair{}) {
		c = n.stray
	}
	for key, p := range n.paths {
		for k := range key.matching {
			if k == r.key {
				c.add(&p.counters)
				break
			}
		}
	}
	return c
}
