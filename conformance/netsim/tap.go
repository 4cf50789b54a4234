package netsim

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// A Packet is what a Filter sees, and a part of what a tap sees.
type Packet struct {
	From, To netip.AddrPort
	Data     []byte
	Index    uint64        // its number on the way from From to To, from 0 on
	Sent     time.Duration // when, since NewNetwork
}

// A Verdict is what a filter says of a packet. The zero Verdict lets it pass.
type Verdict struct {
	Drop  bool          // it vanishes
	Delay time.Duration // on top of what its link does; nothing if it is not above 0
}

// SetFilter makes filter judge each packet that is sent to somebody, before its link
// does: to lose just the first three, or to turn the order round. It does not see
// copies and what is injected. nil ends that.
//
// It runs while the Network is locked: it must not call the Network or its
// PacketConns, which would wait for ever, nor keep Packet.Data, nor change it.
func (n *Network) SetFilter(filter func(Packet) Verdict) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = filter
}

// A Fate is what became of a packet.
type Fate uint8

// The fates, each of which but Delivered is an end on the way.
const (
	Delivered   Fate = iota // it waits for the reader, or was read
	Filtered                // the filter dropped it
	TooLong                 // for PacketLink.MTU
	Dark                    // sent during a Blackout or a Cut
	QueueFull               // lost in the queue before Link.Rate
	Lost                    // through Link.Loss or Link.Burst
	Unreachable             // nobody was there when it was sent, or when it arrived
	Overflow                // the receiver's buffer was full
)

var fates = [...]string{"delivered", "filtered", "too long", "dark", "queue full", "lost", "unreachable", "overflow"}

// String returns the fate in a word or two.
func (f Fate) String() string {
	if int(f) < len(fates) {
		return fates[f]
	}
	return fmt.Sprintf("fate %d", uint8(f))
}

// An Event is the end of one copy of a packet. Its Data is what arrived, or would have,
// and belongs to the tap. Its Index is 0 if the packet was injected or nobody was there
// when it was sent.
type Event struct {
	Packet
	Fate      Fate
	Copy      int           // 0 for the packet itself, 1 and so on for the copies of Duplicate
	Corrupted bool          // Data is not what was sent
	Injected  bool          // by Inject, and no PacketConn sent it
	At        time.Duration // when, since NewNetwork
}

// String returns the event in a line, without Data.
func (e Event) String() string {
	s := fmt.Sprintf("%12v %v > %v #%d", e.At, e.From, e.To, e.Index)
	if e.Injected {
		s = fmt.Sprintf("%12v %v > %v injected", e.At, e.From, e.To)
	}
	if e.Copy > 0 {
		s += fmt.Sprintf(" copy %d", e.Copy)
	}
	s += fmt.Sprintf(" %d bytes %v", len(e.Data), e.Fate)
	if e.Corrupted {
		s += ", corrupted"
	}
	if took := e.At - e.Sent; took > 0 {
		s += fmt.Sprintf(" after %v", took)
	}
	return s
}

// Tap calls tap with what becomes of each copy of each packet, when that is known:
// of those that are lost when they are sent, of the others when they arrive. stop
// ends that.
//
// Taps run one at a time, in the order of events, on the goroutine of whoever sends or
// reads or on a timer's, and shortly after the event. They may call the Network and its
// PacketConns: what they send and inject is told afterwards, to the same taps.
func (n *Network) Tap(tap func(Event)) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := &tap
	n.taps = append(slices.Clip(n.taps), key)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.taps = slices.DeleteFunc(slices.Clone(n.taps), func(t *func(Event)) bool { return t == key })
	}
}

// Log writes each event as a line to w, until stop: to see what a failing seed did.
func (n *Network) Log(w io.Writer) (stop func()) {
	return n.Tap(func(e Event) { fmt.Fprintln(w, e) })
}

// tell counts the end of d and keeps it for the taps.
func (n *Network) tell(c *Counters, fate Fate, d *datagram, t time.Duration) {
	c.count(fate, len(d.data))
	if len(n.taps) == 0 {
		return
	}
	p := d.packet(n)
	p.Data = slices.Clone(p.Data)
	n.events = append(n.events, Event{
		Packet: p, Fate: fate, Copy: d.copy, Corrupted: d.corrupted, Injected: d.injected, At: t - n.start,
	})
}

func (d *datagram) packet(n *Network) Packet {
	return Packet{From: d.from, To: d.to, Data: d.data, Index: d.index, Sent: d.sent - n.start}
}
