package gate

import (
	"container/list"
	"net/netip"
	"time"
)

// dial names one handshake: where it comes from, the id that the client chose, and a
// hash of its hello. With the hash, since whoever sees the id on the wire could
// otherwise take the place of the true hello with one of his own.
type dial struct {
	addr netip.AddrPort
	cid  uint64
	mark uint64
}

// half is a handshake of a client that has proven its address. It is open until the
// client has proven that it has the keys, or was refused; then it is there to know
// its hello again.
type half struct {
	dial  dial
	until time.Duration
	over  bool          // it is not open any more
	place *list.Element // in one of the lists

	answer   []byte        // the packet, sent in answer to a hello and never by itself
	answered time.Duration // when it was sent last
	repeated bool          // it was sent more than once

	// What a confirmation needs, and nil without it.
	*shaken
}

// again returns what to answer to the hello that comes again: nothing if a worker has it,
// if it was confirmed, or if it was answered just now.
func (h *half) again(now time.Duration) []byte {
	if len(h.answer) == 0 || now-h.answered < helloEvery/2 {
		return nil
	}
	h.answered, h.repeated = now, true
	return h.answer
}

// shaken is what a handshake leaves that was not refused.
type shaken struct {
	cid     uint64 // that this side listens to
	keys    secrets
	in      *opener
	idle    time.Duration // the client's
	pass    Pass
	counted bool // among those with its token
}

// halves holds the handshakes of late. Those that are open are bounded as a whole, for
// each address, and for each token; a new one is refused when there is no room, and
// none gives way. Of those that are over, the oldest gives way.
type halves struct {
	known     map[dial]*half
	byID      map[uint64]*half // those that can be confirmed
	byAddress map[netip.Addr]int
	byToken   map[[16]byte]int
	open      *list.List // in the order of coming
	past      *list.List // in the order of being over
}

func newHalves() halves {
	return halves{
		known: make(map[dial]*half), byID: make(map[uint64]*half),
		byAddress: make(map[netip.Addr]int), byToken: make(map[[16]byte]int),
		open: list.New(), past: list.New(),
	}
}

func (s *halves) room(addr netip.Addr) bool {
	return s.open.Len() < maxHalfOpen && (addr.IsLoopback() || s.byAddress[household(addr)] < maxHalfPerAddress)
}

func (s *halves) add(h *half) {
	s.known[h.dial] = h
	s.byAddress[household(h.dial.addr.Addr())]++
	h.place = s.open.PushBack(h)
}

// count counts a handshake with a token, if there are not too many. A client that
// dials again and again must not take all places.
func (s *halves) count(id [16]byte) bool {
	if s.byToken[id] >= maxHalfPerToken {
		return false
	}
	s.byToken[id]++
	return true
}

// confirmable notes what a confirmation of h needs.
func (s *halves) confirmable(h *half, with *shaken) {
	h.shaken = with
	s.byID[with.cid] = h
}

// confirmed settles a handshake that is a connection now, and has no answer any more.
func (s *halves) confirmed(cid uint64) {
	if h := s.byID[cid]; h != nil {
		h.answer = nil
		s.settle(h)
	}
}

// settle takes a handshake off all counts.
func (s *halves) settle(h *half) {
	if h.over {
		return
	}
	drop(s.byAddress, household(h.dial.addr.Addr()))
	if h.shaken != nil {
		delete(s.byID, h.cid)
		if h.counted {
			drop(s.byToken, h.pass.ID)
		}
		h.shaken = nil
	}
	s.open.Remove(h.place)
	h.over, h.place = true, s.past.PushBack(h)
	if s.past.Len() > maxPast {
		s.forget(s.past.Front().Value.(*half))
	}
}

// forget forgets a handshake. Its hello is to be taken for a new one then.
func (s *halves) forget(h *half) {
	s.settle(h)
	if s.known[h.dial] == h {
		delete(s.known, h.dial)
		s.past.Remove(h.place)
	}
}

// expire forgets the handshakes that took too long, and those that are over and whose
// hello cannot come again, since its cookie is too old.
func (s *halves) expire(now time.Duration) {
	for _, l := range []*list.List{s.open, s.past} {
		for e := l.Front(); e != nil && e.Value.(*half).until <= now; e = l.Front() {
			s.forget(e.Value.(*half))
		}
	}
}

func drop[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}
