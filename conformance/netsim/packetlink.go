package netsim

import "time"

// A PacketLink says how a Network treats packets. It is a Link, for which packets
// are Unreliable messages, and what only packets suffer: the contract of a
// core.Transport forbids the rest above it. The zero PacketLink is perfect. Values
// out of range count as the nearest value in it. Write literals with field names:
// fields may be added.
//
//	netsim.PacketLink{Link: netsim.LTE(), Duplicate: 0.1}
type PacketLink struct {
	Link

	// Duplicate is the share, 0 to 1, of packets that arrive more than once. Each
	// copy has its own Jitter and may be corrupted. 0 means none.
	Duplicate float64
	// Copies is how many more arrive: uniform from 1 to Copies. 0 means 1.
	Copies int
	// CopyDelay is how much later they arrive: a time for each, uniform from 0 up
	// to CopyDelay. A long one replays old packets. 0 means with the first, but for
	// Jitter.
	CopyDelay time.Duration

	// Corrupt is the share, 0 to 1, of packets that are altered. 0 means none.
	Corrupt float64
	// CorruptAs are the ways in which they are, one at a time and all alike often.
	// 0 means AnyCorruption.
	CorruptAs Corruption

	// MTU is the length of the longest packet that passes, payload only: 1472 on
	// Ethernet, with IPv4 and UDP around it. Longer ones vanish. 0 means that all
	// pass.
	MTU int
	// MTUError makes WriteTo return syscall.EMSGSIZE for those, as a socket does if
	// the nearest link is the narrow one. False means that they vanish on their way.
	MTUError bool
}

// MaxPacket is the length of the longest packet of a Network, as that of UDP over
// IPv4. Beyond it WriteTo returns syscall.EMSGSIZE.
const MaxPacket = 65507

func (l PacketLink) clean() PacketLink {
	l.Link = l.Link.clean()
	l.Copies = max(l.Copies, 1)
	l.CopyDelay = max(l.CopyDelay, 0)
	if l.CorruptAs &= AnyCorruption; l.CorruptAs == 0 {
		l.CorruptAs = AnyCorruption
	}
	if l.MTU <= 0 || l.MTU > MaxPacket {
		l.MTU = MaxPacket
	}
	return l
}
