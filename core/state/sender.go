package state

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
// it knows how many versions two seconds are. A world has one Sender. On a client's
// world it panics with an *AuthorityError.
func NewSender(w *World, rate int) *Sender {
	if !w.authority {
		panic(&AuthorityError{Op: "NewSender", Object: "the world"})
	}
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
