package conformance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

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

func networkAmplification(e *env, h Transport) error {
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
	stop()
	door := netsim.AddrOf(r.l.Addr())
	stranger, err := n.Host("203.0.113.7").ListenPacket(e, "udp", "")
	if err != nil {
		return err
	}
	defer stranger.Close()
	rng := rand.New(rand.NewPCG(e.seed, 4))
	for i, p := range rec.all() {
		if p.To != door {
			continue
		}
		for _, data := range [][]byte{p.Data, p.Data[:len(p.Data)*rng.IntN(100)/100], make([]byte, i)} {
			if _, err := stranger.WriteTo(data, r.l.Addr()); err != nil {
				return err
			}
		}
	}
	if err := r.unmoved(d, a, 0); err != nil {
		return fmt.Errorf("after a stranger repeated what a dialer had sent: %w", err)
	}
	time.Sleep(min(h.Timeout, 500*time.Millisecond)) // for answers that are repeated
	route := n.Route(netsim.AddrOf(stranger.LocalAddr()), door)
	in, out := route.Counters(), route.Back().Counters()
	if in.SentBytes == 0 {
		return fmt.Errorf("no packet of a Dial went to the Listener's address %v", door)
	}
	if out.SentBytes > in.SentBytes {
		return fmt.Errorf("a stranger sent %d bytes, and was sent %d", in.SentBytes, out.SentBytes)
	}
	return nil
}
