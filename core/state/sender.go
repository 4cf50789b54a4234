package state

import "github.com/parley-net/parley/core/internal/wire"

// Sender replicates an authoritative World: it freezes the state at each update
// and encodes it for its Viewers. Package server runs one per room; whoever writes
// another engine on top of World may too.
//
// What a viewer has is known per packet: the baseline of a chunk is the newest
// version in a packet that the viewer acknowledged, and a chunk travels as the
// difference from its baseline to now. So a lost packet costs its chunks and
// nothing else, nothing is sent twice as it was, and who joins late is a viewer
// without baselines. The bytes for a chunk and a baseline are made once and shared
// by all viewers in that position.
type Sender struct {
	w     *World
	keep  int // versions
	at    uint32
	arena []byte
}

// maxHistory bounds how many versions of a chunk either side keeps.
const maxHistory = 256

// NewSender returns a Sender of w that captures rate times a second, which is how
// it knows how many versions two seconds are. w must be authoritative.
func NewSender(w *World, rate int) *Sender {
	return &Sender{w: w, keep: min(max(2*rate, 8), maxHistory)}
}

// Capture freezes the world's state at its current tick. Encoding by Viewers reads
// what was frozen; the world must not change between Capture and the last of them.
func (s *Sender) Capture() {
	if uint32(s.w.tick) <= s.at {
		s.w.tick = uint64(s.at) + 1 // a tick is frozen once
	}
	s.at = uint32(s.w.tick)
	s.arena = s.arena[:0]
	for _, k := range s.w.chunks {
		k.freeze(s.at, s.keep)
	}
}

// block returns k's newest version against the baseline of a tick, 0 for none,
// encoded once per Capture.
func (s *Sender) block(k *chunk, base uint32) []byte {
	if k.memoAt != s.at {
		k.memoAt = s.at
		k.memo = k.memo[:0]
	}
	for i := range k.memo {
		if m := &k.memo[i]; m.base == base {
			return s.arena[m.off:m.end]
		}
	}
	off := len(s.arena)
	s.arena = k.appendBlock(s.arena, s.at, base, k.version(base))
	k.memo = append(k.memo, encoded{base: base, off: off, end: len(s.arena)})
	return s.arena[off:]
}

// Viewer is what one receiver of a Sender has and needs. Begin starts an update,
// AppendPacket fills packets until it returns nothing more, Ack and Lost say what
// became of them.
type Viewer struct {
	s      *Sender
	chunks []view
	cursor int // the chunk to look at next: the one that waited longest
	scan   int // chunks looked at in this update
	left   int // bytes left in this update
	resend uint32
	sent   [sentPackets]sentPacket

	largeRev uint64 // of the newest large value that was sent
}

// view is one chunk as a viewer has it.
type view struct {
	acked  uint32 // the baseline: a version that the viewer has, 0 for none
	sent   uint32 // the version last sent
	sentAt uint32 // the tick of that
}

// sentPackets is how many packets may be under way to a viewer; what is older
// counts as lost.
const sentPackets = 512

type sentPacket struct {
	seq    uint64
	blocks []sentBlock
}

type sentBlock struct{ chunk, at uint32 }

// NewViewer adds a receiver that has nothing yet.
func (s *Sender) NewViewer() *Viewer {
	return &Viewer{s: s, resend: 1}
}

// SetResend sets after how many ticks a version that was sent and not
// acknowledged is sent again, if it did not change meanwhile: a bit more than the
// round trip and one update of the receiver.
func (v *Viewer) SetResend(ticks uint32) { v.resend = max(1, ticks) }

// Begin starts an update of at most budget bytes. A chunk that found no room waits
// for the next update, and comes first there.
func (v *Viewer) Begin(budget int) {
	v.left = max(budget, chunkBytes)
	v.scan = 0
	for len(v.chunks) < len(v.s.w.chunks) {
		v.chunks = append(v.chunks, view{})
	}
}

// AppendPacket appends to dst the blocks that the viewer needs, up to a length of
// max for all of dst, and remembers them under seq, which must grow from packet to
// packet. It returns dst as it was when nothing more is to be sent in this update.
// max must leave room for MinPacket bytes.
func (v *Viewer) AppendPacket(dst []byte, max int, seq uint64) []byte {
	p := &v.sent[seq%sentPackets]
	p.seq, p.blocks = seq, p.blocks[:0]
	n := len(v.s.w.chunks)
	for ; v.scan < n; v.scan++ {
		if v.cursor >= n {
			v.cursor = 0
		}
		k := v.s.w.chunks[v.cursor]
		c := &v.chunks[v.cursor]
		if at := k.at(); at != c.acked && (at != c.sent || v.s.at-c.sentAt >= v.resend) && (c.acked != 0 || k.weight > 0) {
			base := c.acked
			if base < k.oldest() {
				base = 0 // forgotten: whole
			}
			b := v.s.block(k, base)
			if len(b) > v.left {
				v.scan = n
				return dst
			}
			if len(dst)+len(b) > max {
				return dst
			}
			dst = append(dst, b...)
			v.left -= len(b)
			c.sent, c.sentAt = at, v.s.at
			p.blocks = append(p.blocks, sentBlock{uint32(v.cursor), at})
		}
		v.cursor++
	}
	return dst
}

// MinPacket is the room in bytes that AppendPacket needs for one block.
const MinPacket = chunkBytes + 40

// Ack notes that a packet arrived. It reports whether that was news.
func (v *Viewer) Ack(seq uint64) bool {
	p := &v.sent[seq%sentPackets]
	if p.seq != seq || seq == 0 {
		return false
	}
	p.seq = 0
	for _, b := range p.blocks {
		if c := &v.chunks[b.chunk]; b.at > c.acked {
			c.acked = b.at
		}
	}
	return true
}

// Lost notes that a packet will not arrive, so that what it carried goes out again
// at once. It reports whether that was news.
func (v *Viewer) Lost(seq uint64) bool {
	p := &v.sent[seq%sentPackets]
	if p.seq != seq || seq == 0 {
		return false
	}
	p.seq = 0
	for _, b := range p.blocks {
		if c := &v.chunks[b.chunk]; c.sent == b.at {
			c.sent = 0
		}
	}
	return true
}

// Complete reports whether the viewer has acknowledged everything as it was
// captured last.
func (v *Viewer) Complete() bool {
	for i, k := range v.s.w.chunks {
		if i >= len(v.chunks) {
			return false
		}
		if at := k.at(); at != v.chunks[i].acked && (v.chunks[i].acked != 0 || k.weight > 0) {
			return false
		}
	}
	return true
}

// AppendValues calls send with each value that is too long for a packet and that
// the viewer was not sent yet, as a message for Replica.ApplyValue, which must
// travel Reliable. It stops at the first error, and goes on there when it is called
// again.
func (v *Viewer) AppendValues(send func(msg []byte) error) error {
	var buf []byte
	for i := range v.s.w.large {
		l := &v.s.w.large[i]
		if l.rev <= v.largeRev {
			continue
		}
		buf = wire.AppendUvarint(buf[:0], uint64(l.id))
		buf = wire.AppendUvarint(buf, uint64(l.slot))
		buf = wire.AppendUvarint(buf, l.version)
		if err := send(append(buf, l.bytes...)); err != nil {
			return err
		}
		v.largeRev = l.rev
	}
	return nil
}
