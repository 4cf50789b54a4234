package gate

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
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
