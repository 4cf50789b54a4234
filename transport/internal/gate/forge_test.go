package gate

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// Somebody who sees each packet of a dial answers first, and wrongly. As long as the
// true answers arrive, it costs time and nothing else.
func TestForgedAnswers(t *testing.T) {
	// Each gets the hello that the client sends, or the answer that the server sends,
	// and returns what to send to the client before it.
	onHello := map[string]func(h hello, key retry) []byte{
		"retry with another cookie": func(h hello, r retry) []byte {
			rand.Read(r.cookie[:])
			return appendRetry(nil, KindUDP, &r)
		},
		"retry of another epoch": func(h hello, r retry) []byte {
			rand.Read(r.epoch[:])
			return appendRetry(nil, KindUDP, &r)
		},
		"retry with another key": func(h hello, r retry) []byte {
			r.keys = seeded(t, 9).Public()
			return appendRetry(nil, KindUDP, &r)
		},
		"retry with a key that is none": func(h hello, r retry) []byte {
			r.keys.X25519 = [32]byte{}
			return appendRetry(nil, KindUDP, &r)
		},
		"another version": func(h hello, _ retry) []byte {
			p := appendPlain(nil, typeVersion, KindUDP, h.cid)
			p[4]++
			return p
		},
		"another kind":        func(h hello, _ retry) []byte { return appendPlain(nil, typeVersion, KindKCP, h.cid) },
		"welcome of nobody's": func(h hello, _ retry) []byte { return appendAnswer(nil, typeWelcome, KindUDP, h.cid, make([]byte, 77)) },
		"refusal of nobody's": func(h hello, _ retry) []byte { return appendAnswer(nil, typeRefuse, KindUDP, h.cid, make([]byte, 64)) },
		"reset":               func(hello, retry) []byte { return append([]byte("prlX"), make([]byte, resetSize)...) },
		"half a retry": func(h hello, r retry) []byte {
			return appendRetry(nil, KindUDP, &r)[:retrySize/2]
		},
	}
	onAnswer := map[string]func(p []byte) []byte{
		"a welcome as a refusal": func(p []byte) []byte {
			if !isPlain(p, typeWelcome) {
				return nil
			}
			q := bytes.Clone(p)
			q[3] = typeRefuse
			return q
		},
		"another noise message": func(p []byte) []byte {
			if !isPlain(p, typeWelcome) {
				return nil
			}
			q := bytes.Clone(p)
			q[len(q)-1] ^= 1
			return q
		},
		"the true cookie and another epoch": func(p []byte) []byte {
			if !isPlain(p, typeRetry) {
				return nil
			}
			q := bytes.Clone(p)
			q[plainHeader+cookieSize] ^= 1
			return q
		},
		"an old retry again": func(p []byte) []byte {
			if !isPlain(p, typeRetry) {
				return nil
			}
			q := bytes.Clone(p)
			q[plainHeader+5] ^= 1
			return q
		},
	}
	dial := func(t *testing.T, stays time.Duration, hear, say func(p []byte, w *world, from, to netip.AddrPort)) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{t: t, net: netsim.NewNetwork(1), key: seeded(t, 1), accept: make(chan *end, 16)}
			w.net.SetLink(lan)
			begin := time.Now()
			there := func() bool { return time.Since(begin) < stays }
			host := w.net.Host(serverIP)
			w.listenOn(spy(host.ListenPacket, func(p []byte, from, to netip.AddrPort) {
				if there() && say != nil {
					say(p, w, from, to)
				}
			}), serverIP+":7777", nil)
			c, err := w.dial(t.Context(), func(cfg *ClientConfig) {
				cfg.ListenPacket = spy(cfg.ListenPacket, func(p []byte, from, to netip.AddrPort) {
					if there() && hear != nil {
						hear(p, w, to, from)
					}
				})
			})
			if err != nil {
				t.Fatalf("it ended the dial: %v", err)
			}
			if took := time.Since(begin); took > stays+1500*time.Millisecond {
				t.Errorf("the dial took %v", took)
			}
			s := <-w.accept
			c.send("sound")
			if got := <-s.packets; got != "sound" {
				t.Error(got)
			}
			w.close(c, s)
		})
	}
	for _, stays := range []time.Duration{10 * time.Millisecond, 3 * time.Second} {
		for name, forge := range onHello {
			t.Run(fmt.Sprintf("%s for %v", name, stays), func(t *testing.T) {
				key := retry{keys: seeded(t, 1).Public()}
				dial(t, stays, func(p []byte, w *world, server, client netip.AddrPort) {
					h, ok := parseHello(p)
					if !ok {
						return
					}
					r := key
					r.cid = h.cid
					if w.gate != nil {
						r.epoch = w.gate.retry.epoch
					}
					w.net.Inject(server, client, forge(h, r))
				}, nil)
			})
		}
		for name, forge := range onAnswer {
			t.Run(fmt.Sprintf("%s for %v", name, stays), func(t *testing.T) {
				dial(t, stays, nil, func(p []byte, w *world, server, client netip.AddrPort) {
					if q := forge(p); q != nil {
						w.net.Inject(server, client, q)
					}
				})
			})
		}
	}
}

// Who does not see the packets of a dial cannot even delay it, whatever he sends.
func TestForgedOffPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, nil)
		server := netsim.AddrOf(w.gate.Addr())
		r := w.gate.retry
		var cid uint64
		c, err := w.dial(t.Context(), func(cfg *ClientConfig) {
			cfg.ListenPacket = spy(cfg.ListenPacket, func(p []byte, from, to netip.AddrPort) {
				if h, ok := parseHello(p); ok {
					cid = h.cid
				}
				for i := range 100 { // he guesses the address of the client, and not its id
					r.cid = cid ^ (1 + uint64(i))
					w.net.Inject(server, from, appendRetry(nil, KindUDP, &r))
					w.net.Inject(server, from, appendPlain(nil, typeVersion, KindKCP, r.cid))
					w.net.Inject(server, from, []byte("junk"))
				}
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.link.RTT() != 10*time.Millisecond {
			t.Errorf("the dial was delayed: round trip %v", c.link.RTT())
		}
		w.close(c, <-w.accept)
	})
}

// Who sees a dial cannot make the client send to anybody but whom it dials, nor trust a
// server elsewhere as it trusts one on its own machine.
func TestForgedSource(t *testing.T) {
	d := dialing(t, func(_ []byte, to netip.AddrPort) {
		if to != serverAddr {
			t.Errorf("sent to %v", to)
		}
	})
	said := retry{cid: d.cid, keys: seeded(t, 1).Public()}
	d.answer(answer{appendRetry(nil, KindUDP, &said), otherAddr})
	d.knock()
	if len(d.attempts) != 1 || d.attempts[0].to != serverAddr {
		t.Error("a server that answers from another address is not understood")
	}
	d.attempts, d.pin = nil, ""
	d.answer(answer{appendRetry(nil, KindUDP, &said), netip.MustParseAddrPort("127.0.0.1:7777")})
	if len(d.attempts) != 0 {
		t.Error("a server without a pin is trusted, as it says that it is on this machine")
	}
}

// A wrong answer that is all there is ends the dial soon, with what is wrong.
func TestHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, netsim.PacketLink{Link: netsim.Link{Latency: 20 * time.Millisecond, Loss: 0.2}}, nil)
		begin := time.Now()
		_, err := w.dial(t.Context(), func(c *ClientConfig) { c.Kind = KindKCP })
		if took := time.Since(begin); !errors.Is(err, core.ErrRefused) || took < hintHolds || took > 3*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		w.close()
	})
}

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

// A forged retry that leads to an address where nobody is costs a second: the others are
// asked again.
func TestForgedDetour(t *testing.T) {
	var to []netip.AddrPort
	d := dialing(t, func(p []byte, a netip.AddrPort) {
		if h, ok := parseHello(p); !ok || len(h.noise) > 0 && a != otherAddr {
			t.Errorf("sent %.40x to %v", p, a)
		}
		to = append(to, a)
	})
	d.targets = append(d.targets, otherAddr)
	d.knock()
	said := retry{cid: d.cid, keys: seeded(t, 1).Public()}
	d.answer(answer{appendRetry(nil, KindUDP, &said), otherAddr})
	d.knock()
	if want := []netip.AddrPort{serverAddr, otherAddr, otherAddr, otherAddr}; !slices.Equal(to, want) {
		t.Errorf("sent to %v, want %v", to, want)
	}
	d.attempts[0].since = time.Now().Add(-retryHolds)
	to = nil
	d.knock()
	if want := []netip.AddrPort{otherAddr, serverAddr, otherAddr}; !slices.Equal(to, want) {
		t.Errorf("sent to %v, want %v", to, want)
	}
	d.retry(retry{cid: d.cid, keys: seeded(t, 1).Public(), epoch: [epochSize]byte{1}}, otherAddr)
	if len(d.attempts) != 2 {
		t.Error("the other is not believed")
	}
	for i := range 3 * maxAttempts {
		d.attempts[len(d.attempts)-1].since = time.Now().Add(-retryHolds)
		d.retry(retry{cid: d.cid, keys: seeded(t, 1).Public(), epoch: [epochSize]byte{2, byte(i)}}, otherAddr)
	}
	if len(d.attempts) != maxAttempts {
		t.Errorf("%d attempts are kept", len(d.attempts))
	}
}
