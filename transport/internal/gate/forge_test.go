package gate

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// Ten forged packets for each that is sent, both ways, change nothing.
func TestForgedPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := mathrand.New(mathrand.NewPCG(1, 2))
		w := &world{t: t, net: netsim.NewNetwork(1), key: seeded(t, 1), accept: make(chan *end, 16)}
		w.net.SetLink(lan)
		var mu sync.Mutex
		var last []byte
		forge := func(p []byte, from, to netip.AddrPort) {
			mu.Lock()
			defer mu.Unlock()
			if p[0]&flagSealed == 0 {
				return
			}
			for range 10 {
				q := bytes.Clone(p)
				switch rng.IntN(7) {
				case 0:
					q[rng.IntN(len(q))] ^= byte(1 + rng.IntN(255))
				case 1:
					q = q[:rng.IntN(len(q))]
				case 2: // another number, far ahead
					order.PutUint32(q[1+cidSize:], order.Uint32(q[1+cidSize:])+rng.Uint32()>>1)
				case 3:
					q[0] ^= flagPhase
				case 4:
					q[0] ^= flagControl
				case 5:
					rand.Read(q[sealedHeader:])
				case 6: // the header of this and the rest of the one before
					if len(last) > sealedHeader {
						q = append(q[:sealedHeader], last[sealedHeader:]...)
					}
				}
				w.net.Inject(from, to, q)
			}
			last = bytes.Clone(p)
		}
		w.listenOn(spy(w.net.Host(serverIP).ListenPacket, forge), serverIP+":7777", nil)
		c, err := w.dial(t.Context(), func(cfg *ClientConfig) { cfg.ListenPacket = spy(cfg.ListenPacket, forge) })
		if err != nil {
			t.Fatal(err)
		}
		s := <-w.accept
		for i := range 1000 {
			say := fmt.Sprint(i)
			c.send(say)
			s.send(say)
			if up, down := <-s.packets, <-c.packets; up != say || down != say {
				t.Fatalf("sent %q, got %q and %q", say, up, down)
			}
		}
		if n := s.link.forged.Load(); n < 5000 {
			t.Errorf("only %d packets were forged", n)
		}
		w.close(c, s)
	})
}

// A flood of forged packets, whose sender sees the true ones, starves nobody.
func TestForgedFlood(t *testing.T) {
	c, s := between(t)
	p := c.send("x")
	for range 20_000 {
		q := bytes.Clone(p)
		q[len(q)-1] ^= 1
		s.link.packet(q, clientAddr)
	}
	if !s.link.packet(p, clientAddr) {
		t.Error("a true packet was refused after many forged ones")
	}
}

// What was recorded is no use: not in the session that it is from, not in another, and
// not after the server was restarted; not in the other direction either.
func TestReplay(t *testing.T) {
	nonces := recording(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		var tape []netsim.Event
		stop := w.net.Tap(func(e netsim.Event) {
			if !e.Injected {
				tape = append(tape, e)
			}
		})
		c, s := w.pair()
		for range 50 {
			c.send("once")
			s.send("once")
			<-c.packets
			<-s.packets
		}
		stop()
		server, client := netsim.AddrOf(w.gate.Addr()), c.link.sock.pc.(*netsim.PacketConn).Public()
		replay := func(when string, ends ...*end) {
			t.Helper()
			others := []netip.AddrPort{client, server, netip.MustParseAddrPort("10.7.7.7:7")}
			for _, c := range w.net.Conns() {
				others = append(others, c.Public())
			}
			for _, e := range tape {
				for _, from := range others {
					for _, to := range others {
						w.net.Inject(from, to, e.Data)
					}
				}
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(11 * time.Second)
			if n := len(w.accept); n > 0 {
				t.Errorf("%s: %d connections were accepted", when, n)
			}
			for _, e := range ends {
				if len(e.packets) > 0 || len(e.ended) > 0 || len(e.moved) > 0 {
					t.Errorf("%s: %d packets were taken, %d ends, %d moves", when, len(e.packets), len(e.ended), len(e.moved))
				}
			}
		}
		replay("live", c, s)
		c2, s2 := w.pair() // the same client comes once more
		replay("another session", c, s, c2, s2)

		addr := w.gate.Addr().String()
		for _, e := range []*end{s, s2} { // the process is gone, and said nothing
			e.link.mu.Lock()
			e.link.finish()
			e.link.mu.Unlock()
		}
		w.gate.Close()
		w.listen(addr, nil)
		for _, e := range []*end{c, c2} {
			<-e.ended
		}
		w.end(c, c2)
		c3, s3 := w.pair()
		replay("after a restart", c3, s3)
		w.close(c3, s3)
	})
	t.Logf("%d packets were sealed under %d keys", nonces.n, len(nonces.seen))
}

// What one connection sealed no other opens, whatever id stands on it.
func TestCrossFeeding(t *testing.T) {
	c, s := between(t)
	c2, s2 := between(t)
	fresh := func(to *side, like byte) { // other keys, as every handshake has
		in, err := newOpener(bytes.Repeat([]byte{like}, 32))
		if err != nil {
			t.Fatal(err)
		}
		to.link.in = in
	}
	fresh(s2, 8)
	fresh(c2, 9)
	p, q := c.send("up"), s.send("down")
	for name, refused := range map[string]bool{
		"up to another server":   s2.link.packet(bytes.Clone(p), clientAddr),
		"down to another client": c2.link.packet(bytes.Clone(q), serverAddr),
		"up back":                c.link.packet(bytes.Clone(p), serverAddr),
		"down back":              s.link.packet(bytes.Clone(q), clientAddr),
	} {
		if refused {
			t.Errorf("%s: accepted", name)
		}
	}
	if !s.link.packet(p, clientAddr) || !c.link.packet(q, serverAddr) {
		t.Error("refused where it belongs")
	}
}

// A reset of the right server is believed of one that has fallen silent, and not of one
// that talks: another with the same identity can be made to say it.
func TestResetOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		c, s := w.pair()
		oracle, err := w.net.Host("10.0.0.3").ListenPacket(context.Background(), "udp", ":7777")
		if err != nil {
			t.Fatal(err)
		}
		second, err := Listen(t.Context(), oracle, w.gate.cfg)
		if err != nil {
			t.Fatal(err)
		}
		thief, err := w.net.Host("10.6.6.6").ListenPacket(context.Background(), "udp", "")
		if err != nil {
			t.Fatal(err)
		}
		ask := make([]byte, 200)
		ask[0] = flagSealed
		order.PutUint64(ask[1:], s.link.local)
		thief.WriteTo(ask, second.Addr())
		buf := make([]byte, 100)
		n, _, err := thief.ReadFrom(buf)
		if err != nil || n != resetPacket {
			t.Fatal("no reset", n, err)
		}
		server, client := netsim.AddrOf(w.gate.Addr()), c.link.sock.pc.(*netsim.PacketConn).Public()
		for range 20 {
			w.net.Inject(server, client, buf[:n])
			time.Sleep(time.Second)
		}
		if len(c.ended) > 0 {
			t.Errorf("a reset of another server ended the session: %v", <-c.ended)
		}
		thief.Close()
		second.Close()
		w.close(c, s)
	})
}
