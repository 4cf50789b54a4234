package gate

import (
	"bytes"
	"crypto/rand"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/parley-net/parley/core"
)

// knock takes a hello whose sender has proven the address that it sends from.
func (l *Listener) knock(h hello, from netip.AddrPort, now time.Duration) {
	d := dial{from, h.cid, l.mark(h)}
	l.mu.Lock()
	l.halves.expire(now)
	if known := l.halves.known[d]; known != nil {
		answer := known.again(now)
		l.mu.Unlock()
		if len(answer) > 0 {
			l.sock.write(answer, from)
		}
		return
	}
	defer l.mu.Unlock()
	if l.refs == 0 || len(l.jobs) >= maxJobs || !l.halves.room(from.Addr()) || !l.addresses.take(from.Addr(), now) {
		l.Counters.Limited.Add(1)
		return
	}
	half := &half{dial: d, until: now + halfOpenLife}
	l.halves.add(half)
	l.jobs = append(l.jobs, job{half, h.cookie, bytes.Clone(h.noise)})
	if l.workers < maxWorkers {
		l.workers++
		go l.work()
	}
}

// mark returns what tells a hello from others with its id.
func (l *Listener) mark(h hello) uint64 {
	var m maphash.Hash
	m.SetSeed(l.seed)
	m.Write(h.cookie[:])
	m.Write(h.noise)
	return m.Sum64()
}

// job is a hello that waits for a worker.
type job struct {
	half   *half
	cookie [cookieSize]byte
	noise  []byte
}

// work computes handshakes until none waits.
func (l *Listener) work() {
	for {
		l.mu.Lock()
		if len(l.jobs) == 0 || l.refs == 0 {
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
	manyReason   = "too many are dialing with this token: try again"
)

// shake answers one hello.
func (l *Listener) shake(j job) {
	h := j.half
	said := l.retry
	said.cid, said.cookie = h.dial.cid, j.cookie
	s, offer, err := newServerShake(l.cfg.Identity, prologue(l.cfg.Kind, &said), j.noise)
	if err != nil {
		// The client was told something else than what this server says in its
		// retry, by somebody on its path or by a server that was here before. It
		// cannot know but by another retry.
		l.Counters.Strays.Add(1)
		l.mu.Lock()
		l.halves.forget(h)
		l.mu.Unlock()
		l.sock.write(appendRetry(nil, l.cfg.Kind, &said), h.dial.addr)
		return
	}
	l.Counters.Handshakes.Add(1)
	pass, no := l.judge(offer.token)
	if no != nil {
		l.Counters.Refused.Add(1)
		l.answer(h, s, typeRefuse, [32]byte{}, no.bytes(), nil)
		return
	}
	g := grant{cid: randomID(), idle: l.cfg.Idle}
	g.reset = l.resetToken(g.cid)
	l.answer(h, s, typeWelcome, pass.PSK, g.bytes(), &shaken{cid: g.cid, idle: offer.idle, pass: pass, counted: l.cfg.Open != nil})
}

// judge says whom a token lets in, or why it lets in nobody. A pass with a token is
// counted then.
func (l *Listener) judge(token []byte) (pass Pass, no *refusal) {
	if l.cfg.Open != nil {
		if len(token) == 0 {
			return pass, &refusal{core.CodeRefused, tokenReason}
		}
		var err error
		if pass, err = l.cfg.Open(token); err != nil {
			return pass, &refusal{core.CodeRefused, err.Error()}
		}
	}
	room := l.cfg.Room()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return pass, &refusal{core.CodeShutdown, closedReason}
	case !room || l.live >= l.cfg.MaxLinks:
		return pass, &refusal{core.CodeFull, fullReason}
	case l.cfg.Open != nil && !l.halves.count(pass.ID):
		return pass, &refusal{core.CodeRefused, manyReason}
	}
	return pass, nil
}

// answer completes the handshake and sends its answer: a refusal if there is nothing
// to be confirmed.
func (l *Listener) answer(h *half, s serverShake, typ byte, psk [32]byte, payload []byte, with *shaken) {
	msg, keys, err := s.answer(psk, payload)
	if err == nil && with != nil {
		with.keys = keys
		with.in, err = newOpener(keys.toServer)
	}
	l.mu.Lock()
	if err != nil || h.over || l.refs == 0 { // err is impossible with keys of the right length; else it took too long
		if with != nil && with.counted {
			drop(l.halves.byToken, with.pass.ID)
		}
		l.halves.settle(h)
		l.mu.Unlock()
		return
	}
	h.answer, h.answered = appendAnswer(nil, typ, l.cfg.Kind, h.dial.cid, msg), l.now()
	if with != nil {
		l.halves.confirmable(h, with)
	} else {
		l.halves.settle(h)
	}
	packet := h.answer
	l.mu.Unlock()
	l.sock.write(packet, h.dial.addr)
}

// randomID returns a connection id that nobody can guess, which makes it unique.
func randomID() uint64 {
	var b [cidSize]byte
	rand.Read(b[:]) // never fails
	return order.Uint64(b[:])
}
