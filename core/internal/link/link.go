// Package link is what server and client share of a session: numbers and
// acknowledgements of Unreliable packets, the round trip and the loss measured by
// them, and the sequence of Reliable frames.
package link

import (
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// Stats is what one side knows of its link to the other.
type Stats struct {
	RTT    time.Duration // smoothed round trip of packets, 0 before the first
	Jitter time.Duration // smoothed deviation of the round trip
	Loss   float64       // share of packets sent lately that were lost, 0 to 1
	Conn   core.Stats    // counters of the connection below
}

// window is how many packets may be under way in each direction.
const window = 512

// maxMask is the longest bitmap of acknowledged packets in bytes.
const maxMask = 32

// delayUnit is what times in headers count, and maxDelay is the longest one.
const (
	delayUnit = 100 * time.Microsecond
	maxDelay  = 1 << 32
)

// Packets numbers Unreliable packets and acknowledges those of the other side.
// Every packet, both ways, begins so:
//
//	seq │ newest seq of the other side │ time since that came, 0.1 ms │ n │ n bytes: which before it came
//
// and ends behind the second number as long as nothing of the other side has come.
// Bit 0 of the first byte stands for the packet before the newest. Packets that the
// other side knows about are left out, so the bytes are few where little is lost.
//
// A packet is told to be lost when one is acknowledged that was sent more than three
// later. One that is overtaken by a whole window before anything is heard of it
// counts as lost too, but nobody is told.
//
// The zero value is ready to use.
type Packets struct {
	next   uint64 // of the next packet sent, from 1
	sent   [window]sentPacket
	settle uint64 // packets before it are acknowledged or lost

	newest   uint64 // of the other side
	newestAt time.Time
	got      [window / 64]uint64 // ring of bits: which packets came
	floor    uint64              // the other side knows which of these came

	rtt, jitter time.Duration
	loss        float64
}

type sentPacket struct {
	seq    uint64
	at     time.Time
	newest uint64 // what it acknowledged
}

// Next returns the number that the next AppendHeader gives.
func (p *Packets) Next() uint64 { return p.next + 1 }

// AppendHeader numbers a packet and appends its header.
func (p *Packets) AppendHeader(b []byte, now time.Time) []byte {
	p.next++
	s := &p.sent[p.next%window]
	if s.seq != 0 {
		p.miss()
	}
	*s = sentPacket{seq: p.next, at: now, newest: p.newest}
	b = wire.AppendUvarint(b, p.next)
	b = wire.AppendUvarint(b, p.newest)
	if p.newest == 0 {
		return b
	}
	b = wire.AppendUvarint(b, min(maxDelay, uint64(max(0, now.Sub(p.newestAt))/delayUnit)))
	n := 0
	if p.newest > p.floor+1 {
		n = int(min(maxMask, (p.newest-p.floor-1+7)/8))
	}
	b = append(b, byte(n))
	for i := range n {
		var bits byte
		for j := range 8 {
			if back := uint64(8*i + j + 1); back < p.newest && p.has(p.newest-back) {
				bits |= 1 << j
			}
		}
		b = append(b, bits)
	}
	return b
}

// Unsent takes back the last AppendHeader: its packet was not sent.
func (p *Packets) Unsent() {
	p.sent[p.next%window].seq = 0
	p.next--
}

// ReadHeader reads the header of a packet that came and calls acked and lost for
// packets of this side that it tells the fate of, once each. It returns the
// packet's number; Received then notes that it was taken.
func (p *Packets) ReadHeader(r *wire.Reader, now time.Time, acked, lost func(seq uint64)) uint64 {
	seq := r.Uvarint()
	newest := r.Uint(p.next)
	if newest == 0 || r.Err() != nil {
		return seq
	}
	delay := time.Duration(r.Uint(maxDelay)) * delayUnit
	mask := r.Bytes(uint64(r.Byte()))
	if len(mask) > maxMask {
		r.Fail("a bitmap that is too long")
	}
	if r.Err() != nil {
		return seq
	}
	if s := &p.sent[newest%window]; s.seq == newest {
		p.sample(now.Sub(s.at) - delay)
	}
	p.ack(newest, acked)
	for i, bits := range mask {
		for j := range 8 {
			if back := uint64(8*i + j + 1); bits&(1<<j) != 0 && back < newest {
				p.ack(newest-back, acked)
			}
		}
	}
	// What three later ones have overtaken is lost.
	for ; p.settle+3 < newest; p.settle++ {
		if s := &p.sent[p.settle%window]; s.seq == p.settle && s.seq != 0 {
			s.seq = 0
			p.miss()
			lost(p.settle)
		}
	}
	return seq
}

// miss counts a packet that was lost.
func (p *Packets) miss() { p.loss += (1 - p.loss) / 64 }

func (p *Packets) ack(seq uint64, acked func(uint64)) {
	s := &p.sent[seq%window]
	if s.seq != seq {
		return
	}
	s.seq = 0
	p.floor = max(p.floor, s.newest)
	p.loss -= p.loss / 64
	acked(seq)
}

// sample smooths the round trip as RFC 6298 does.
func (p *Packets) sample(rtt time.Duration) {
	rtt = max(rtt, time.Microsecond)
	if p.rtt == 0 {
		p.rtt, p.jitter = rtt, rtt/2
		return
	}
	p.jitter += (max(p.rtt-rtt, rtt-p.rtt) - p.jitter) / 4
	p.rtt += (rtt - p.rtt) / 8
}

func (p *Packets) has(seq uint64) bool {
	return p.newest-seq < window && p.got[seq%window/64]&(1<<(seq%64)) != 0
}

// Received notes that the packet was taken and may be acknowledged. It reports
// false if it was before.
func (p *Packets) Received(seq uint64, now time.Time) bool {
	if seq == 0 || p.newest >= window && seq <= p.newest-window {
		return false
	}
	if seq > p.newest {
		if seq-p.newest >= window {
			clear(p.got[:])
		} else {
			for s := p.newest + 1; s < seq; s++ {
				p.got[s%window/64] &^= 1 << (s % 64)
			}
		}
		p.newest, p.newestAt = seq, now
	} else if p.has(seq) {
		return false
	}
	p.got[seq%window/64] |= 1 << (seq % 64)
	return true
}

// Fill fills in what the packets tell about the link.
func (p *Packets) Fill(s *Stats) { s.RTT, s.Jitter, s.Loss = p.rtt, p.jitter, p.loss }

// Newest returns the number of the newest packet that came, 0 before the first.
func (p *Packets) Newest() uint64 { return p.newest }

// RTT returns the smoothed round trip, 0 before the first.
func (p *Packets) RTT() time.Duration { return p.rtt }

// Frames numbers Reliable frames and acknowledges those of the other side, so that
// a session that resumes knows what came. The zero value is ready to use.
type Frames struct {
	sent, acked uint64
	received    uint64
}

// AppendHeader numbers a frame and appends its header, which follows its kind.
func (f *Frames) AppendHeader(b []byte) []byte {
	f.sent++
	b = wire.AppendUvarint(b, f.sent)
	return wire.AppendUvarint(b, f.received)
}

// Unsent takes back the last AppendHeader: its frame was not sent.
func (f *Frames) Unsent() { f.sent-- }

// ReadHeader reads the header of a frame that came. One out of sequence, or that
// acknowledges what was never sent, fails.
func (f *Frames) ReadHeader(r *wire.Reader) {
	seq, acked := r.Uvarint(), r.Uvarint()
	switch {
	case r.Err() != nil:
	case seq != f.received+1:
		r.Fail("a frame out of sequence")
	case acked > f.sent:
		r.Fail("an acknowledgement of what was never sent")
	case acked < f.acked:
		r.Fail("an acknowledgement that is taken back")
	default:
		f.received, f.acked = seq, acked
	}
}
