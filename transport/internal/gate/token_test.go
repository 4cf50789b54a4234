package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// register is what checks tokens: a token is a name, and its key derives from it.
type register struct {
	mu    sync.Mutex
	spent map[[16]byte]bool
}

func (r *register) pass(sealed []byte) Pass {
	p := Pass{ID: [16]byte(bytes.Repeat(sealed[:1], 16)), User: string(sealed)}
	copy(p.PSK[:], "key of "+string(sealed))
	return p
}

func (r *register) open(sealed []byte) (Pass, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pass(sealed)
	switch {
	case strings.HasPrefix(p.User, "expired"):
		return Pass{}, errors.New("the token has expired")
	case r.spent[p.ID]:
		return Pass{}, errors.New("used before")
	}
	return p, nil
}

func (r *register) spend(p Pass) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spent[p.ID] {
		return errors.New("used before")
	}
	r.spent[p.ID] = true
	return nil
}

func (r *register) with(c *ServerConfig) {
	r.spent = make(map[[16]byte]bool)
	c.Open, c.Spend = r.open, r.spend
}

func (r *register) token(name string) func(*ClientConfig) {
	return func(c *ClientConfig) { c.Sealed, c.PSK = []byte(name), r.pass([]byte(name)).PSK }
}

// Two come with one token at the same time: one gets in, and one is told why not.
func TestTokenRace(t *testing.T) {
	for late := range 10 {
		synctest.Test(t, func(t *testing.T) {
			var r register
			w := newWorld(t, lan, r.with)
			var all sync.WaitGroup
			var mu sync.Mutex
			var in, out []*end
			for i := range 2 {
				all.Go(func() {
					time.Sleep(time.Duration(i*late) * 3 * time.Millisecond)
					c, err := w.dialFrom(t.Context(), fmt.Sprintf("10.0.1.%d", i), r.token("alice"))
					if err != nil {
						if !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), "used before") {
							t.Error(err)
						}
						return
					}
					time.Sleep(100 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					select {
					case err := <-c.ended:
						out = append(out, c)
						if err.Code != core.CodeRefused || err.Reason != "used before" {
							t.Error(err)
						}
					default:
						in = append(in, c)
					}
				})
			}
			all.Wait()
			if len(in) != 1 || len(w.accept) != 1 {
				t.Errorf("%d are in, %d were accepted", len(in), len(w.accept))
			}
			w.close(append(append(in, out...), <-w.accept)...)
		})
	}
}

// A token that does not open, or is somebody else's, and none, is refused in words.
func TestTokensRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r register
		w := newWorld(t, lan, r.with)
		for _, c := range []struct {
			change func(*ClientConfig)
			want   string
		}{
			{r.token("expired"), "the token has expired"},
			{nil, tokenReason},
		} {
			if _, err := w.dial(t.Context(), c.change); !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		}
		if _, err := w.dial(t.Context(), func(c *ClientConfig) { c.Sealed = make([]byte, maxToken+1) }); !errors.Is(err, core.ErrTooLarge) {
			t.Errorf("a token that is too long: %v", err)
		}
		longest := append([]byte("zoe"), make([]byte, maxToken-3)...)
		c, err := w.dial(t.Context(), r.token(string(longest)))
		if err != nil {
			t.Fatal(err)
		}
		w.close(c, <-w.accept)
	})
}

// A server that wants no token takes a client that has one.
func TestNeedlessToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r register
		w := newWorld(t, lan, nil)
		c, err := w.dial(t.Context(), r.token("alice"))
		if err != nil {
			t.Fatal(err)
		}
		s := <-w.accept
		if c.send("x"); <-s.packets != "x" || s.link.Identity() != "" {
			t.Error("lost")
		}
		w.close(c, s)
	})
}

// Somebody sees a player's hello on its way, and is quicker. He cannot use the token, nor
// spend it, nor take the places of its owner.
func TestTokenThief(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r register
		w := newWorld(t, lan, r.with)
		server := netsim.AddrOf(w.gate.Addr())
		w.net.SetLink(netsim.PacketLink{Link: netsim.Link{Latency: 50 * time.Millisecond}})
		home := netsim.AddrOf(&net.UDPAddr{IP: net.IPv4(10, 6, 6, 6)}) // next to the server
		w.net.Route(home, netsim.Any).SetLink(netsim.PacketLink{})
		w.net.Route(netsim.Any, home).SetLink(netsim.PacketLink{})
		var thieves []net.PacketConn
		for range 2 * maxHalfPerToken {
			pc, err := w.net.Host("10.6.6.6").ListenPacket(context.Background(), "udp", "")
			if err != nil {
				t.Fatal(err)
			}
			defer pc.Close()
			thieves = append(thieves, pc)
		}
		buf := make([]byte, 2000)
		steal := func(p []byte, from, to netip.AddrPort) {
			h, ok := parseHello(p)
			if !ok || len(h.noise) == 0 {
				return
			}
			if bytes.Contains(p, []byte("alice")) {
				t.Error("the token can be read on the wire")
			}
			var mine retry
			for _, thief := range thieves { // the player's message, with a cookie for his own address
				at := netsim.AddrOf(thief.LocalAddr())
				w.net.Inject(at, server, appendHello(nil, hello{kind: KindUDP, cid: h.cid}))
				n, _, err := thief.ReadFrom(buf)
				if mine, ok = parseRetry(buf[:n], KindUDP); err != nil || !ok {
					t.Errorf("no retry: %v", err)
					return
				}
				w.net.Inject(at, server, appendHello(nil, hello{kind: KindUDP, cid: h.cid, cookie: mine.cookie, noise: h.noise}))
			}
			mine.cookie = h.cookie
			for i := range 10 { // other messages from the player's address, which he can forge
				noise := bytes.Clone(h.noise)
				noise[(i*7+40)%len(noise)] ^= 1
				w.net.Inject(from, server, appendHello(nil, hello{kind: KindUDP, cid: h.cid, cookie: h.cookie, noise: noise}))
				s, err := newClientShake(mine.keys, [32]byte{}, prologue(KindUDP, &mine), offer{token: []byte("mallory")})
				if err != nil {
					t.Error(err)
				}
				w.net.Inject(from, server, appendHello(nil, hello{kind: KindUDP, cid: h.cid, cookie: h.cookie, noise: s.message}))
			}
			synctest.Wait()
			w.net.Inject(from, server, p) // and the very same, before it comes
		}
		begin := time.Now()
		c, err := w.dial(t.Context(), func(c *ClientConfig) {
			r.token("alice")(c)
			c.ListenPacket = spy(c.ListenPacket, steal)
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("he delayed the dial: %v", took)
		}
		s := <-w.accept
		if s.link.Identity() != "alice" || len(w.accept) > 0 {
			t.Errorf("%q came in, and %d more", s.link.Identity(), len(w.accept))
		}
		w.close(c, s)
	})
}

// Somebody repeats a client's message, from its address, but with another cookie of the
// client's, for which he asked. The hello that comes behind it is not taken for the same.
func TestOtherCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var welcomes atomic.Int32
		k := &knocker{from: clientAddr}
		k.gate = listening(t, nil, func(p []byte, to netip.AddrPort) {
			if isPlain(p, typeWelcome) {
				welcomes.Add(1)
			}
			k.sent(p, to)
		})
		_, p := k.full(t)
		time.Sleep(time.Second)
		k.gate.take(k.first(), k.from)
		other, ok := parseRetry(k.heard(), KindUDP)
		if !ok {
			t.Fatal("no retry")
		}
		q := bytes.Clone(p)
		if copy(q[plainHeader:], other.cookie[:]); bytes.Equal(p, q) {
			t.Fatal("it is the same cookie")
		}
		k.gate.take(q, k.from)
		k.gate.take(p, k.from)
		synctest.Wait()
		if welcomes.Load() != 1 {
			t.Error("it was taken for the same")
		}
		k.gate.Close()
	})
}

// With one token there are a few handshakes at a time, and later again.
func TestHandshakesOfOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r register
		k := &knocker{from: clientAddr, psk: r.pass([]byte("bob")).PSK, offer: offer{token: []byte("bob")}}
		k.gate = listening(t, r.with, k.sent)
		try := func() bool {
			t.Helper()
			k.cid++
			_, p := k.full(t)
			k.gate.take(p, k.from)
			synctest.Wait()
			return isPlain(k.heard(), typeWelcome)
		}
		for range maxHalfPerToken {
			if !try() {
				t.Fatal("refused too early")
			}
		}
		if try() {
			t.Fatal("one more was welcome")
		}
		if left(k.gate) == "" {
			t.Error("nothing is under way")
		}
		time.Sleep(halfOpenLife)
		if !try() {
			t.Error("refused after all that was given up")
		}
		time.Sleep(halfOpenLife)
		k.shake(t)
		k.gate.Close()
	})
}

// A confirmation that comes long after its handshake confirms nothing.
func TestLateConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepted := 0
		k := &knocker{from: clientAddr, offer: offer{idle: 10 * time.Second}}
		k.gate = listening(t, func(c *ServerConfig) {
			c.Accept = func(l *Link) Handler {
				accepted++
				return newEnd(l)
			}
		}, k.sent)
		p := k.shake(t)
		time.Sleep(halfOpenLife)
		if k.gate.take(p, k.from); accepted > 0 {
			t.Error("it was accepted")
		}
		k.gate.Close()
	})
}
