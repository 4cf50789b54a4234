package gate

// windowSize is how far behind the newest packet number a packet may arrive, in
// packets: more than eight seconds of a game's traffic.
const windowSize = 1024

const windowWords = windowSize/64 + 1 // one word is being cleared

// window remembers which packet numbers came, as RFC 6479 does: a ring of words, of
// which those that fall behind are cleared whole.
type window struct {
	next uint64 // one more than the newest number; 0 while nothing came
	bits [windowWords]uint64
}

// fresh reports whether pn has not come yet and is not too old to tell.
func (w *window) fresh(pn uint64) bool {
	if pn >= w.next {
		return true
	}
	if w.next-1-pn >= windowSize { // a difference, so that nothing overflows
		return false
	}
	return w.bits[pn/64%windowWords]&(1<<(pn%64)) == 0
}

// mark notes that pn came, which must be fresh.
func (w *window) mark(pn uint64) {
	if pn >= w.next {
		if w.next == 0 {
			w.next = 1 // as if 0 had been the newest: its word is clear
		}
		old, now := (w.next-1)/64, pn/64
		for i := range min(now-old, windowWords) {
			w.bits[(now-i)%windowWords] = 0
		}
		w.next = pn + 1
	}
	w.bits[pn/64%windowWords] |= 1 << (pn % 64)
}
