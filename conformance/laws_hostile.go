package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var hostileLaws = []law[Transport]{
	{"Network/Forged",
		"Garbage that comes from a peer's address changes nothing.",
		networkForged},
	{"Network/Injected",
		"Amid ten forged packets ahead of each real one, from its sender's address and from a stranger's, Dial succeeds, messages arrive, and nothing ends.",
		networkInjected},
	{"Network/Replay",
		"Packets that come a second time, later, change nothing: no message, no connection, no end.",
		networkReplay},
	{"Network/ReplayToRestarted",
		"Packets of connections that are over change nothing for a Listener that was opened at the same address again, nor for a dialer at the same port.",
		networkReplayToRestarted},
}

// recorder keeps the packets that arrived.
type recorder struct {
	mu      sync.Mutex
	packets []netsim.Packet
}

func (rec *recorder) tap(ev netsim.Event) {
	if ev.Fate != netsim.Delivered || ev.Injected {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.packets = append(rec.packets, ev.Packet)
}

func (rec *recorder) all() []netsim.Packet {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.packets[:len(rec.packets):len(rec.packets)]
}

// unmoved checks that a connection is as it was, that nothing arrived on it but what is
// expected, and that Accept returns nothing.
func (r *room) unmoved(d, a *peer, next int) error {
	time.Sleep(30 * time.Millisecond)
	for _, ends := range [][2]*peer{{d, a}, {a, d}} {
		if err := r.e.carry(ends[0], ends[1], next, next+5, 100); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(r.e, 30*time.Millisecond)
	defer cancel()
	if c, err := r.l.Accept(ctx); err == nil {
		r.keep(c)
		return fmt.Errorf("Accept returned a Conn from %v, where nobody dialled", c.RemoteAddr())
	}
	return nil
}

func networkForged(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	var rec recorder
	defer n.Tap(rec.tap)()
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := errors.Join(e.carry(d, a, 0, 5, 100), e.carry(a, d, 0, 5, 100)); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(e.seed, 3))
	for i, p := range rec.all() {
		forged := make([]byte, rng.IntN(200))
		for j := range forged {
			forged[j] = byte(rng.Uint32())
		}
		switch i % 3 { // the beginning of a real one, and garbage behind it
		case 0:
			forged = append(append([]byte(nil), p.Data[:len(p.Data)/2]...), forged...)
		case 1:
			copy(forged, p.Data[:min(1, len(p.Data))])
		}
		n.Inject(p.From, p.To, forged)
	}
	return r.unmoved(d, a, 5)
}

func networkReplay(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	var rec recorder
	stop := n.Tap(rec.tap)
	over, gone, err := r.link() // a connection that is over when it is replayed
	if err != nil {
		return err
	}
	if err := e.carry(over, gone, 0, 3, 100); err != nil {
		return err
	}
	over.Close(core.CodeNormal, "")
	if _, err := gone.ended(h.Timeout); err != nil {
		return err
	}
	gone.Close(core.CodeNormal, "")
	d, a, err := r.link()
	if err != nil {
		return err
	}
	for id := range 20 {
		for _, c := range []*peer{d, a} {
			if err := e.post(c, core.Unreliable, message(loose+id, 50)); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(e.carryAmong(d, a, 20), e.carryAmong(a, d, 20)); err != nil {
		return err
	}
	time.Sleep(10 * time.Millisecond)
	stop()
	for _, p := range []*peer{d, a} { // what was late
		for _, _, ok := p.take(); ok; _, _, ok = p.take() {
		}
	}
	for _, p := range rec.all() {
		n.Inject(p.From, p.To, p.Data)
	}
	return r.unmoved(d, a, 20)
}

// carryAmong is carry where Unreliable messages arrive in between.
func (e *env) carryAmong(from, to *peer, n int) error {
	if err := e.postAll(from, 0, n, 100); err != nil {
		return err
	}
	for want := 0; want < n; {
		msg, err := to.next()
		if err != nil {
			return err
		}
		if id, err := number(msg); err != nil {
			return err
		} else if id == want {
			want++
		}
	}
	return nil
}

// forge makes something of a real packet: its beginning and garbage, or a bit more or less
// than there was.
func forge(rng *rand.Rand, real []byte) []byte {
	var forged []byte
	switch keep := []int{0, 1, 5, 9, 13, 17, 25, -1, -2}[rng.IntN(9)]; keep {
	case -1:
		return real[:rng.IntN(len(real)+1)*9/10]
	case -2:
		forged = make([]byte, len(real)+1+rng.IntN(16))
		copy(forged, real)
	default:
		keep = min(keep, len(real))
		forged = make([]byte, max(keep+rng.IntN(60), len(real)*rng.IntN(2)))
		for i := copy(forged, real[:keep]); i < len(forged); i++ {
			forged[i] = byte(rng.Uint32())
		}
	}
	return forged
}

func networkInjected(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	const held = 2 * time.Millisecond // what is real
	seen := make(chan netsim.Packet, 1024)
	var forger group
	forger.do(func() error {
		rng := rand.New(rand.NewPCG(e.seed, 6))
		stranger := netip.MustParseAddrPort("203.0.113.7:4000")
		for p := range seen {
			for i := range 10 {
				from := p.From
				if i%3 == 2 {
					from = stranger
				}
				n.Inject(from, p.To, forge(rng, p.Data))
			}
		}
		return nil
	})
	n.SetFilter(func(p netsim.Packet) netsim.Verdict {
		p.Data = bytes.Clone(p.Data)
		select {
		case seen <- p:
		default: // not every one of a flood
		}
		return netsim.Verdict{Delay: held}
	})
	d, a, err := r.link()
	if err == nil {
		err = e.both(d, a, 0, 100, 300)
	}
	n.SetFilter(nil)
	close(seen)
	if err := errors.Join(err, forger.wait(e, "Inject")); err != nil {
		return fmt.Errorf("amid forged packets: %w", err)
	}
	time.Sleep(held)
	return r.unmoved(d, a, 100)
}

func networkReplayToRestarted(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	var rec recorder
	stop := n.Tap(rec.tap)
	d, a, err := r.link()
	if err != nil {
		return err
	}
	if err := e.both(d, a, 0, 10, 300); err != nil {
		return err
	}
	d.Close(core.CodeNormal, "")
	if _, err := a.ended(h.Timeout); err != nil {
		return err
	}
	dialer := netsim.AddrOf(a.RemoteAddr())
	r.close()
	stop()

	door := netsim.AddrOf(r.l.Addr())
	h.Addr = door.String()
	again, err := h.openOn(e, r.t)
	if err != nil {
		return fmt.Errorf("at the address of a Listener that was closed: %w", err)
	}
	defer again.close()
	replay := func(to func(p netsim.Packet) bool) {
		for _, p := range rec.all() {
			if to(p) {
				n.Inject(p.From, p.To, p.Data)
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
	replay(func(p netsim.Packet) bool { return p.To == door })
	n.Host(dialer.Addr().String()).NextPort(dialer.Port())
	var g group
	g.do(func() error {
		replay(func(p netsim.Packet) bool { return p.To == dialer })
		return nil
	})
	nd, na, err := again.link()
	if err := errors.Join(err, g.wait(e, "Inject")); err != nil {
		return fmt.Errorf("where packets of an earlier connection are replayed: %w", err)
	}
	if err := e.both(nd, na, 0, 10, 300); err != nil {
		return fmt.Errorf("where packets of an earlier connection are replayed: %w", err)
	}
	replay(func(netsim.Packet) bool { return true })
	return again.unmoved(nd, na, 10)
}
