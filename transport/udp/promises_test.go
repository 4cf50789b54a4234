package udp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/udp"
)

var (
	messages = flag.Int("messages", 10_000, "Reliable messages of each seed in TestReliable")
	seeds    = flag.Int("seeds", 20, "seeds of TestReliable")
	first    = flag.Uint64("seed", 1, "the first seed")
)

// storm is worse than any network that people play on.
var storm = netsim.PacketLink{
	Link:      netsim.Link{Latency: 250 * time.Millisecond, Jitter: 100 * time.Millisecond, Loss: 0.25, Reorder: 0.1},
	Duplicate: 0.25, CopyDelay: time.Second,
}

// simulated returns a pair on a simulated network.
func simulated(t *testing.T, n *netsim.Network, cfg udp.Config) (l core.Listener, a, z core.Conn) {
	t.Helper()
	cfg.ListenPacket = n.ListenPacket
	tr := udp.New(cfg)
	l, err := tr.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if a, err = tr.Dial(t.Context(), l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if z, err = l.Accept(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, a, z
}

// closeAll closes connections at the same time.
func closeAll(conns ...core.Conn) {
	var g sync.WaitGroup
	for _, c := range conns {
		g.Go(func() { c.Close(core.CodeNormal, "") })
	}
	g.Wait()
}

// script is a sequence of messages that both ends can make for themselves.
type script struct {
	rnd *rand.Rand
	buf []byte
	n   int
}

func newScript(seed uint64) *script { return &script{rnd: rand.New(rand.NewPCG(seed, 7))} }

// next returns the next message: short ones as games send, and now and then a long one.
func (s *script) next() []byte {
	size := 4 + s.rnd.IntN(60)
	switch s.rnd.IntN(200) {
	case 0:
		size = 1100 + s.rnd.IntN(6000)
	case 1:
		size = 0
	}
	s.buf = s.buf[:0]
	for len(s.buf) < size {
		s.buf = binary.LittleEndian.AppendUint32(s.buf, s.rnd.Uint32())
	}
	s.n++
	return s.buf[:size]
}

// Reliable messages arrive once each, whole, in order, through a storm, in virtual
// time: go test ./transport/udp -run TestReliable -messages 1000000 -seeds 1
func TestReliable(t *testing.T) {
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { throughStorm(t, seed) })
		})
	}
}

func throughStorm(t *testing.T, seed uint64) {
	n := netsim.NewNetwork(seed)
	n.SetLink(storm)
	began := time.Now()
	l, a, z := simulated(t, n, udp.Config{})
	from, to := a, z
	if seed%2 == 0 {
		from, to = z, a
	}
	sent := make(chan error, 1)
	go func() {
		s := newScript(seed)
		for range *messages {
			msg := s.next()
			for {
				err := from.Send(core.Reliable, msg)
				if err == nil {
					break
				}
				if !errors.Is(err, core.ErrBackpressure) {
					sent <- err
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			if s.n%50 == 0 { // as Unreliable ones go between
				from.Send(core.Unreliable, []byte("x"))
			}
		}
		sent <- nil
	}()
	s := newScript(seed)
	for s.n < *messages {
		msg, err := to.Recv(t.Context())
		if err != nil {
			t.Fatalf("after %d messages: %v", s.n, err)
		}
		if string(msg) == "x" {
			continue
		}
		if want := s.next(); !bytes.Equal(msg, want) {
			t.Fatalf("message %d is\n%x, want\n%x", s.n, msg, want)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages in %v; round trip %v", s.n, time.Since(began).Round(time.Millisecond), from.Stats().RTT.Round(time.Millisecond))
	n.SetLink(netsim.PacketLink{})
	closeAll(a, z)
	l.Close()
	n.Close()
}

// Players play on while strangers flood the server with hellos from everywhere, and
// with what looks like packets.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const players, rate, seconds, flood = 32, 30, 3, 50_000
		n := netsim.NewNetwork(*first)
		n.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: 20 * time.Millisecond}})
		server := udp.New(udp.Config{ListenPacket: n.ListenPacket})
		l, err := server.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		type pair struct{ player, seat core.Conn }
		var pairs []pair
		for i := range players {
			host := n.Host(fmt.Sprintf("127.0.1.%d", i+1))
			c, err := udp.New(udp.Config{ListenPacket: host.ListenPacket}).Dial(t.Context(), l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			s, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, pair{c, s})
		}
		done := make(chan struct{})
		go func() { // every 10 ms a share of the flood
			defer close(done)
			rnd := rand.New(rand.NewPCG(*first, 1))
			to := netsim.AddrOf(l.Addr())
			hello := make([]byte, 1200)
			for range seconds * 100 {
				for range flood / 100 {
					from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())}), uint16(rnd.Uint32())|1)
					binary.LittleEndian.PutUint64(hello[6:], rnd.Uint64())
					switch rnd.IntN(4) {
					case 0: // garbage of a packet's shape
						hello[0] = 0x80
						n.Inject(from, to, hello[:60+rnd.IntN(1140)])
					default:
						copy(hello, "prlH\x01\x01")
						n.Inject(from, to, hello)
					}
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		lost := 0
		for i := range rate * seconds {
			for _, p := range pairs {
				for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
					if err := p.player.Send(d, fmt.Append(nil, d, i)); err != nil {
						t.Fatal(err)
					}
				}
			}
			sent := time.Now()
			for _, p := range pairs {
				for range 2 {
					ctx, cancel := context.WithDeadline(t.Context(), sent.Add(21*time.Millisecond))
					_, err := p.seat.Recv(ctx)
					cancel()
					if err != nil {
						lost++
					}
				}
			}
			time.Sleep(time.Until(sent.Add(time.Second / rate)))
		}
		if lost > 0 {
			t.Errorf("%d of %d messages were late", lost, 2*players*rate*seconds)
		}
		<-done
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if c, err := l.Accept(ctx); err == nil {
			t.Errorf("the flood got in: %v", c.RemoteAddr())
		}
		cancel()
		for _, p := range pairs {
			closeAll(p.player, p.seat)
		}
		l.Close()
		n.Close()
	})
}

// Neither Send nor Recv allocates once buffers have their size.
func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		o, msg := newOurs(t, d), make([]byte, 500)
		round := func() {
			for range 100 {
				if err := o.round(msg); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 20 {
			round()
		}
		if n := testing.AllocsPerRun(20, round); n > 1 { // timers of the runtime
			t.Errorf("%s: %v allocations for 200 packets, want none", d, n)
		}
	}
}
