package state

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
	most   int // blocks in a packet so far

	largeRev uint64 // of the newest large value that was sent
}

// view is one chunk as a viewer has it.
type view struct {
	acked  uint32 // the baseline: a version that the viewer has, 0 for none
	sent   uint32 // the version last sent, 0 when that is known to be lost
	sentAt uint32 // the tick of that
	known  bool   // it was sent some version, which may have arrived
}

// lacks reports whether k's newest version is not acknowledged. Of a chunk whose
// objects came and went before any was sent, nothing needs to be known.
func (c *view) lacks(k *chunk) bool { return k.at() != c.acked && (c.known || k.live > 0) }

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

// Begin starts an update of at most budget bytes of blocks, MinPacket if it is less.
// A chunk that found no room waits for the next update, and comes first there.
func (v *Viewer) Begin(budget int) {
	v.left = max(budget, MinPacket) // any block fits, so none waits for ever
	v.scan = 0
	v.meet()
}

// meet makes room for chunks that are new.
func (v *Viewer) meet() {
	if n := len(v.s.w.chunks) - len(v.chunks); n > 0 {
		v.chunks = append(v.chunks, make([]view, n)...)
	}
}

// AppendPacket appends to dst the blocks that the viewer needs, up to a length of
// max for all of dst, which must leave room for MinPacket bytes. It remembers them
// under seq, which starts at 1 or above and must grow from packet to packet. It
// returns dst as it was when nothing more is to be sent in this update.
func (v *Viewer) AppendPacket(dst []byte, max int, seq uint64) []byte {
	p := &v.sent[seq%sentPackets]
	if cap(p.blocks) < v.most {
		p.blocks = make([]sentBlock, 0, v.most)
	}
	p.seq, p.blocks = seq, p.blocks[:0]
	dst = v.fill(dst, max, p)
	if n := len(p.blocks); n > v.most {
		v.most = n
	}
	return dst
}

func (v *Viewer) fill(dst []byte, max int, p *sentPacket) []byte {
	n := len(v.chunks)
	for ; v.scan < n; v.scan++ {
		if v.cursor >= n {
			v.cursor = 0
		}
		k := v.s.w.chunks[v.cursor]
		c := &v.chunks[v.cursor]
		if at := k.at(); c.lacks(k) && (at != c.sent || v.s.at-c.sentAt >= v.resend) {
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
			c.sent, c.sentAt, c.known = at, v.s.at, true
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
	v.meet()
	for i, k := range v.s.w.chunks {
		if v.chunks[i].lacks(k) {
			return false
		}
	}
	return true
}

// AppendValues calls send with each value that is too long for a packet and that
// the viewer was not sent yet, as a message for Replica.ApplyValue, which must
// travel Reliable; send must not keep msg. It stops at the first error, and goes on
// there when it is called again.
func (v *Viewer) AppendValues(send func(msg []byte) error) error {
	for _, l := range v.s.w.large.after(v.largeRev) {
		if l.msg != nil {
			if err := send(l.msg); err != nil {
				return err
			}
		}
		v.largeRev = l.rev
	}
	return nil
}
