package gate

import (
	"crypto/rand"
	"net/netip"
	"time"

	"github.com/parley-net/parley/core"
)

// dial names one attempt of a client: where it comes from, and the id that it chose.
type dial struct {
	addr netip.AddrPort
	cid  uint64
}

// half is a handshake of a client that has proven its address and not yet that it has
// the keys.
type half struct {
	dial     dial
	noise    []byte // its message, so that a repetition is known for one
	until    time.Duration
	answer   []byte // the packet, sent once for each hello and never by itself
	answered time.Duration

	cid     uint64 // 0 if it was refused
	keys    secrets
	in      *opener
	offer   offer
	pass    Pass
	token   bool // pass counts
	settled bool // it was confirmed; what is left is there to know its hello again
}

// halves holds the handshakes under way, bounded as a whole, for each address, and for
// each token. A new one is refused when there is no room, and none gives way.
type halves struct {
	byDial    map[dial]*half
	byID      map[uint64]*half
	byAddress map[netip.Addr]int
	byToken   map[[16]byte]int
	queue     []*half // in the order of coming, which is that of leaving
	open      int     // of those in queue, how many are not settled
}

func newHalves() halves {
	return halves{
		byDial: make(map[dial]*half), byID: make(map[uint64]*half),
		byAddress: make(map[netip.Addr]int), byToken: make(map[[16]byte]int),
	}
}

func (s *halves) room(addr netip.Addr) bool {
	return s.open < maxHalfOpen && (addr.IsLoopback() || s.byAddress[household(addr)] < maxHalfPerAddress)
}

func (s *halves) add(h *half) {
	s.byDial[h.dial] = h
	s.byAddress[household(h.dial.addr.Addr())]++
	s.queue = append(s.queue, h)
	s.open++
}

// count takes a token's pass, if there are not too many handshakes with it. Somebody
// who copies it from the wire must not shut out its owner, nor take all places.
func (s *halves) count(h *half) bool {
	if s.byToken[h.pass.ID] >= maxHalfPerToken {
		return false
	}
	s.byToken[h.pass.ID]++
	h.token = true
	return true
}

// settle takes a handshake off all counts: it was confirmed, or has expired.
func (s *halves) settle(h *half) {
	if h.settled {
		return
	}
	h.settled = true
	s.open--
	drop(s.byAddress, household(h.dial.addr.Addr()))
	if h.token {
		drop(s.byToken, h.pass.ID)
	}
	if s.byID[h.cid] == h {
		delete(s.byID, h.cid)
	}
	h.answer, h.keys, h.in, h.pass = nil, secrets{}, nil, Pass{}
}

// expire forgets the handshakes that took too long.
func (s *halves) expire(now time.Duration) {
	n := 0
	for n < len(s.queue) && s.queue[n].until <= now {
		h := s.queue[n]
		n++
		s.settle(h)
		if s.byDial[h.dial] == h {
			delete(s.byDial, h.dial)
		}
	}
	if n > 0 {
		s.queue = append(s.queue[:0:0], s.queue[n:]...)
	}
}

func drop[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}

// job is a hello that waits for a worker.
type job struct {
	half  *half
	token []byte
}

// work computes handshakes until none waits.
func (l *Listener) work() {
	for {
		l.mu.Lock()
		if len(l.jobs) == 0 {
			l.workers--
			l.jobs = nil
			l.mu.Unlock()
			return
		}
		j := l.jobs[0]
		l.jobs = l.jobs[1:]
		l.mu.Unlock()
		l.shake(j)
	}
}

// Words for clients.
const (
	closedReason = "the server stopped accepting"
	fullReason   = "the server is full: try again later"
	tokenReason  = "this server wants a token: get one from where you log in"
	manyReason   = "the token is being used by others: try again"
)

// shake answers one hello.
func (l *Listener) shake(j job) {
	h := j.half
	p := prologue(l.cfg.Kind, l.epoch[:], l.retry.keys, h.dial.cid, j.token)
	s, offer, err := newServerShake(l.cfg.Identity, p, h.noise)
	if err != nil { // nothing that a client sends; it need not know
		l.Counters.Strays.Add(1)
		return
	}
	l.Counters.Handshakes.Add(1)
	var no *refusal
	var pass Pass
	if l.cfg.Open != nil {
		if len(j.token) == 0 {
			no = &refusal{core.CodeRefused, tokenReason}
		} else if pass, err = l.cfg.Open(j.token); err != nil {
			no = &refusal{core.CodeRefused, err.Error()}
		}
	}
	l.mu.Lock()
	h.offer, h.pass = offer, pass
	switch {
	case no != nil:
	case l.closed:
		no = &refusal{core.CodeShutdown, closedReason}
	case l.live >= l.cfg.MaxLinks || !l.cfg.Room():
		no = &refusal{core.CodeFull, fullReason}
	case l.cfg.Open != nil && !l.halves.count(h):
		no = &refusal{core.CodeRefused, manyReason}
	}
	l.mu.Unlock()
	if no != nil {
		l.Counters.Refused.Add(1)
		l.answer(h, s, typeRefuse, [32]byte{}, 0, no.bytes())
		return
	}
	g := grant{cid: randomID(), idle: l.cfg.Idle}
	g.reset = l.resetToken(g.cid)
	l.answer(h, s, typeWelcome, pass.PSK, g.cid, g.bytes())
}

// answer completes the handshake and sends its answer. cid is 0 if it is a refusal.
func (l *Listener) answer(h *half, s serverShake, typ byte, psk [32]byte, cid uint64, payload []byte) {
	msg, keys, err := s.answer(psk, payload)
	var in *opener
	if err == nil {
		in, err = newOpener(keys.toServer)
	}
	if err != nil { // impossible with keys of the right length
		l.Counters.Strays.Add(1)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.settled || l.refs == 0 { // it took too long
		return
	}
	h.answer = appendAnswer(nil, typ, l.cfg.Kind, h.dial.cid, msg)
	h.answered = l.now()
	if typ == typeWelcome {
		h.cid, h.keys, h.in = cid, keys, in
		l.halves.byID[cid] = h
	}
	l.sock.write(h.answer, h.dial.addr)
}

// randomID returns a connection id that nobody can guess, which makes it unique.
func randomID() uint64 {
	var b [cidSize]byte
	rand.Read(b[:]) // never fails
	return order.Uint64(b[:])
}
