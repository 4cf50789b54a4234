package conformance

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

var lossLaws = []law[Transport]{
	{"Network/Loss",
		"Where up to a third of the packets are lost, also ten in a row, Reliable messages arrive, and of Unreliable ones no more are missing than were lost.",
		networkLoss},
	{"Network/Copies",
		"However often packets are repeated, up to a hundred times and a tenth of a second later, no message arrives twice.",
		networkCopies},
	{"Network/Reversed",
		"Where packets come in reverse order, 64 at a time, or a third of them late, Reliable messages arrive in order, and no message twice.",
		networkReversed},
	{"Network/Mangled",
		"Packets that were cut anywhere, lengthened, glued together, sent back to where they came from, or sent to another connection, change nothing.",
		networkMangled},
}

// losses are ways to lose packets.
var losses = []struct {
	link  netsim.Link
	share float64 // of packets that are lost
	burst float64 // how many in a row
}{
	{netsim.Link{Loss: 0.01}, 0.01, 1},
	{netsim.Link{Loss: 0.05}, 0.05, 1},
	{netsim.Link{Loss: 0.33}, 0.33, 1},
	{netsim.Link{Burst: netsim.BurstLoss(0.1, 10)}, 0.1, 10},
}

func networkLoss(e *env, h Transport) error {
	n := 100
	if e.virtual {
		n = 1000
	}
	var all group
	for _, bad := range losses {
		// Four standard deviations are left to chance.
		chance := 4 * math.Sqrt(float64(n)*bad.share*(1-bad.share)*(2*bad.burst-1))
		enough := int(float64(n)*(1-bad.share)*0.98 - chance)
		bad.link.Latency = 5 * time.Millisecond
		all.do(func() error {
			err := h.onLinkBoth(e, netsim.PacketLink{Link: bad.link}, func(from, to *peer) error { return e.share(from, to, n, enough) })
			if err != nil {
				return fmt.Errorf("where %.0f %% of the packets are lost, %.0f in a row: %w", 100*bad.share, bad.burst, err)
			}
			return nil
		})
	}
	all.wg.Wait()
	return all.first()
}

// share sends n Unreliable messages, of which enough must arrive, behind some Reliable
// ones.
func (e *env) share(from, to *peer, n, enough int) error {
	if err := e.carry(from, to, 0, 50, 500); err != nil {
		return err
	}
	for id := range n {
		if err := from.Send(core.Unreliable, message(loose+id, 100)); err != nil {
			return fmt.Errorf("Send: %w", err)
		}
		time.Sleep(4 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	arrived := 0
	for msg, err, ok := to.take(); ok; msg, err, ok = to.take() {
		if err != nil {
			return err
		}
		if _, err := number(msg); err != nil {
			return err
		}
		arrived++
	}
	if arrived < enough {
		return fmt.Errorf("%d of %d Unreliable messages arrived, want %d at least", arrived, n, enough)
	}
	return nil
}

// onLinkBoth is onLink both ways at once.
func (h Transport) onLinkBoth(e *env, bad netsim.PacketLink, f func(from, to *peer) error) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	defer n.SetLink(netsim.PacketLink{})
	d, a, err := r.link()
	if err != nil {
		return err
	}
	n.SetLink(bad)
	return e.bothEnds(d, a, f)
}

// bothEnds runs f from either end at once. It may take a while.
func (e *env) bothEnds(d, a *peer, f func(from, to *peer) error) error {
	var g group
	for _, way := range []struct {
		from, to *peer
		name     string
	}{{d, a, "from dialer to listener"}, {a, d, "from listener to dialer"}} {
		g.do(func() error {
			if err := f(way.from, way.to); err != nil {
				return fmt.Errorf("%s: %w", way.name, err)
			}
			return nil
		})
	}
	_, err := withinExtra(e, 3*e.wait, "a connection over a bad network", func() (struct{}, error) {
		g.wg.Wait()
		return struct{}{}, g.first()
	})
	return err
}

// once sends n messages of each delivery and holds that none arrives twice, and the
// Reliable ones in order. Copies may come for a time after the last.
func (e *env) once(from, to *peer, n int, late time.Duration) error {
	var g group
	g.do(func() error {
		for id := range n {
			for _, d := range deliveries {
				if err := e.post(from, d, message(id+loose*int(1-d), 200)); err != nil {
					return err
				}
			}
			if id%8 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	})
	seen, want := make(map[int]bool), 0
	check := func(msg []byte, err error) error {
		if err != nil {
			return err
		}
		id, err := number(msg)
		switch {
		case err != nil:
			return err
		case seen[id]:
			return fmt.Errorf("message %d arrived twice", id)
		case id >= loose+n || id < loose && id != want:
			return fmt.Errorf("message %d arrived, want Reliable message %d, or an Unreliable one", id, want)
		case id == want:
			want++
		}
		seen[id] = true
		return nil
	}
	for want < n {
		if err := check(to.next()); err != nil {
			return errors.Join(g.first(), err)
		}
	}
	time.Sleep(late)
	for msg, err, ok := to.take(); ok; msg, err, ok = to.take() {
		if err := check(msg, err); err != nil {
			return err
		}
	}
	return g.wait(e, "Send")
}

func networkCopies(e *env, h Transport) error {
	link := netsim.PacketLink{Link: netsim.Link{Latency: time.Millisecond}, Duplicate: 0.5, Copies: 100, CopyDelay: 100 * time.Millisecond}
	return h.onLinkBoth(e, link, func(from, to *peer) error { return e.once(from, to, 60, 120*time.Millisecond) })
}

func networkReversed(e *env, h Transport) error {
	r, n, err := h.on(e)
	if err != nil {
		return err
	}
	defer n.Close()
	defer r.close()
	for _, disorder := range []func(){
		func() {
			n.SetFilter(func(p netsim.Packet) netsim.Verdict {
				return netsim.Verdict{Delay: time.Duration(63-p.Index%64) * 500 * time.Microsecond}
			})
		},
		func() {
			n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: time.Millisecond, Reorder: 0.3, ReorderBy: 40 * time.Millisecond}})
		},
	} {
		d, a, err := r.link()
		if err != nil {
			return err
		}
		disorder()
		err = e.bothEnds(d, a, func(from, to *peer) error { return e.once(from, to, 200, 60*time.Millisecond) })
		n.SetFilter(nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// mangle calls inject with what may become of a packet on its way, but for the
// addresses.
func mangle(p netsim.Packet, other []byte, inject func(data []byte)) {
	for n := range p.Data {
		inject(p.Data[:n])
	}
	for _, tail := range [][]byte{{0}, make([]byte, 16), p.Data, other} {
		inject(append(append([]byte(nil), p.Data...), tail...))
	}
}

func networkMangled(e *env, h Transport) error {
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
	od, oa, err := r.link()
	if err != nil {
		return err
	}
	if err := errors.Join(e.both(d, a, 0, 5, 100), e.both(od, oa, 0, 5, 1000)); err != nil {
		return err
	}
	stop()
	door := netsim.AddrOf(r.l.Addr())
	packets := rec.all()
	rng := rand.New(rand.NewPCG(e.seed, 5))
	rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	injected := 0
	inject := func(from, to netip.AddrPort, data []byte) {
		n.Inject(from, to, data)
		if injected++; injected%64 == 0 { // no more than a buffer holds
			time.Sleep(time.Millisecond)
		}
	}
	for i, p := range packets[:min(len(packets), 40)] {
		other := packets[rng.IntN(len(packets))]
		if i < 12 {
			mangle(p, other.Data, func(data []byte) { inject(p.From, p.To, data) })
		}
		inject(p.To, p.From, p.Data)
		for _, q := range packets {
			if (q.To == door) == (p.To == door) && q.From != p.From {
				inject(q.From, q.To, p.Data)
				break
			}
		}
	}
	if err := e.both(od, oa, 5, 10, 100); err != nil {
		return err
	}
	return r.unmoved(d, a, 5)
}
