package netsim

// Counters say what became of packets. Those that are sent, Duplicated and injected
// are delivered, meet one of the other fates, or are on their way.
type Counters struct {
	Sent, SentBytes           uint64 // by WriteTo, whatever became of it
	Duplicated                uint64 // further copies of those
	Corrupted                 uint64 // copies that were altered
	Injected                  uint64
	Delivered, DeliveredBytes uint64 // copies that reached the buffer of a PacketConn

	// Packets or copies that met each of the other fates.
	Filtered, TooLong, Dark, QueueFull, Lost, Unreachable, Overflow uint64
}

func (c *Counters) count(fate Fate, size int) {
	switch fate {
	case Delivered:
		c.Delivered++
		c.DeliveredBytes += uint64(size)
	case Filtered:
		c.Filtered++
	case TooLong:
		c.TooLong++
	case Dark:
		c.Dark++
	case QueueFull:
		c.QueueFull++
	case Lost:
		c.Lost++
	case Unreachable:
		c.Unreachable++
	case Overflow:
		c.Overflow++
	}
}

func (c *Counters) add(d *Counters) {
	c.Sent += d.Sent
	c.SentBytes += d.SentBytes
	c.Duplicated += d.Duplicated
	c.Corrupted += d.Corrupted
	c.Injected += d.Injected
	c.Delivered += d.Delivered
	c.DeliveredBytes += d.DeliveredBytes
	c.Filtered += d.Filtered
	c.TooLong += d.TooLong
	c.Dark += d.Dark
	c.QueueFull += d.QueueFull
	c.Lost += d.Lost
	c.Unreachable += d.Unreachable
	c.Overflow += d.Overflow
}

// Counters returns what became of all packets so far.
func (n *Network) Counters() Counters { return n.Route(Any, Any).Counters() }

// A Digest sums up what a Network did with the packets of each path: two runs with
// the same seed and the same sends have equal ones. It leaves out when packets were
// sent, what paths did relative to each other, and what came of readers: Overflow, and
// nobody being there. Compare Digests with ==.
type Digest struct {
	Packets  uint64 // how many were judged
	Fates    uint64 // a hash of their lengths, fates and delays, path by path
	Contents uint64 // a hash of their bytes; it differs where keys are random
}

// Digest returns the Digest of all packets so far.
func (n *Network) Digest() Digest {
	n.mu.Lock()
	defer n.mu.Unlock()
	var d Digest
	for _, p := range n.paths {
		d.Packets += p.count
		d.Fates += mix(p.origin ^ p.fates)
		d.Contents += mix(p.origin ^ p.contents)
	}
	return d
}
