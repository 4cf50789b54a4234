package netsim

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"time"
)

// A pair is where packets come from and where they go. In the keys of links and
// outages a port 0 stands for all, and the zero AddrPort for all addresses.
type pair struct{ from, to netip.AddrPort }

// matching yields the keys that match p, the most exact first: first by the sender,
// then by the receiver.
func (p pair) matching(yield func(pair) bool) {
	for _, from := range widen(p.from) {
		for _, to := range widen(p.to) {
			if !yield(pair{from, to}) {
				return
			}
		}
	}
}

func widen(a netip.AddrPort) [3]netip.AddrPort {
	return [3]netip.AddrPort{a, netip.AddrPortFrom(a.Addr(), 0), Any}
}

// A path is what a Network remembers of one pair.
type path struct {
	pair
	origin  uint64 // of the numbers drawn for its packets
	count   uint64 // packets so far
	bad     bool   // the state of the link's bursts
	pace    pace
	changes uint64 // of the Network, when the next two were looked up
	link    *PacketLink
	outages []*outage

	counters Counters
	fates    uint64
	contents uint64
}

var perfect = PacketLink{}.clean()

// path returns the path of a packet, brought up to date.
func (n *Network) path(from, to netip.AddrPort) *path {
	key := pair{from, to}
	p := n.paths[key]
	if p == nil {
		p = &path{pair: key, origin: origin(n.seed, key), changes: n.changes - 1}
		n.paths[key] = p
	}
	if p.changes != n.changes {
		p.changes = n.changes
		p.link = nil
		p.outages = p.outages[:0]
		for key := range p.matching {
			if l := n.links[key]; l != nil && p.link == nil {
				p.link = l
			}
			if o := n.outages[key]; o != nil {
				p.outages = append(p.outages, o)
			}
		}
		if p.link == nil {
			p.link = &perfect
		}
	}
	return p
}

// origin derives from seed and addresses what the fates of a path begin with.
func origin(seed uint64, p pair) uint64 {
	x := mix(seed + golden)
	for _, a := range []netip.AddrPort{p.from, p.to} {
		ip := a.Addr().As16()
		x = mix(x + binary.BigEndian.Uint64(ip[:8]))
		x = mix(x + binary.BigEndian.Uint64(ip[8:]))
		x = mix(x + uint64(a.Port()) + golden)
	}
	return x
}

// draw draws the number of the next packet, from which its fate derives.
func (p *path) draw() (index, drawn uint64) {
	index = p.count
	p.count++
	return index, mix(p.origin + index*golden)
}

func (p *path) dark(t time.Duration) bool {
	for _, o := range p.outages {
		if o.dark(t) {
			return true
		}
	}
	return false
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// note adds a packet and its fate to the digest of the path.
func (p *path) note(data []byte, fate Fate) {
	p.fates = mix(p.fates*golden + uint64(len(data))<<8 + uint64(fate) + 1)
	p.contents = mix(p.contents*golden + uint64(crc32.Checksum(data, castagnoli)))
}

// noteCopy adds one copy of the last packet, as it will arrive.
func (p *path) noteCopy(d *datagram) {
	p.fates = mix(p.fates*golden + uint64(d.due-d.sent)<<1 + 1)
	if d.corrupted {
		p.fates = mix(p.fates + uint64(len(d.data)))
		p.contents = mix(p.contents*golden + uint64(crc32.Checksum(d.data, castagnoli)))
	}
}
