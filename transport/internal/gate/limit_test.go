package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// crowd dials n times at once, and returns those that are in after a while, and how
// long the last of them took.
func (w *world) crowd(n int, patience time.Duration, ip func(int) string) (in []*end, took time.Duration, errs []error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	begin := time.Now()
	for i := range n {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c, err := w.dialFrom(ctx, ip(i), nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
				return
			}
			in, took = append(in, c), time.Since(begin)
		})
	}
	all.Wait()
	return in, took, errs
}

// accepted returns those that the server has accepted.
func (w *world) accepted() (ends []*end) {
	for len(w.accept) > 0 {
		ends = append(ends, <-w.accept)
	}
	return ends
}

// All players of a house come at once, on a fair line and on a bad one.
func TestOneHousehold(t *testing.T) {
	for name, c := range map[string]struct {
		n    int
		ip   string
		loss float64
		rtt  time.Duration
		most time.Duration
	}{
		"fair":     {64, clientIP, 0.01, 40 * time.Millisecond, 2 * time.Second},
		"bad":      {64, clientIP, 0.2, 200 * time.Millisecond, 6 * time.Second},
		"far":      {32, clientIP, 0, 1600 * time.Millisecond, 5 * time.Second},
		"IPv6":     {20, "2001:db8::7", 0.01, 40 * time.Millisecond, 2 * time.Second},
		"loopback": {80, "127.0.0.1", 0, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, netsim.PacketLink{Link: netsim.Link{Latency: c.rtt / 2, Loss: c.loss}}, nil)
				if race && name != "fair" {
					c.n /= 2
				}
				in, took, errs := w.crowd(c.n, 10*time.Second, func(int) string { return c.ip })
				if len(in) != c.n || took > c.most {
					t.Errorf("%d of %d are in, the last after %v: %v", len(in), c.n, took, errs)
				}
				t.Log(took)
				w.net.SetLink(lan)
				time.Sleep(3 * time.Second)
				w.close(append(in, w.accepted()...)...)
			})
		})
	}
}

// One address makes the server compute so much and no more, whatever it sends, and the
// players of others come in.
func TestOneAddressFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(knocker)
		k.gate = listening(t, nil, k.sent)
		const seconds, rate = 5, 200
		for range seconds * rate {
			k.cid++
			k.from = netip.AddrPortFrom(clientAddr.Addr(), uint16(k.cid))
			k.gate.take(k.first(), k.from)
			r, ok := parseRetry(k.heard(), KindUDP)
			if !ok {
				t.Fatalf("no retry but %q", k.heard())
			}
			k.gate.take(appendHello(nil, hello{kind: KindUDP, cid: k.cid, cookie: r.cookie, noise: make([]byte, 52)}), k.from)
			synctest.Wait()
			time.Sleep(time.Second / rate)
		}
		const most = helloBurst + hellosPerSecond*seconds + 1
		if n := seconds*rate - k.gate.Counters.Limited.Load(); n > most || n < most*9/10 {
			t.Errorf("%d handshakes are computed for one address in %d seconds, want %d", n, seconds, most)
		}
		k.from, k.cid = otherAddr, 1<<40
		k.shake(t)
		k.gate.Close()
	})
}

// When as many handshakes are under way as there may be, no new one begins, none gives
// way, and who is in stays in.
func TestTableFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &knocker{from: otherAddr}
		var ends []*end
		k.gate = listening(t, func(c *ServerConfig) {
			c.Accept = func(l *Link) Handler {
				ends = append(ends, newEnd(l))
				return ends[len(ends)-1]
			}
		}, k.sent)
		k.gate.take(k.shake(t), k.from) // one is in
		first := &knocker{gate: k.gate, from: netip.MustParseAddrPort("100.64.255.1:1"), cid: 1}
		k.from, k.cid = first.from, first.cid
		s, p := k.full(t)
		k.gate.take(p, k.from)
		synctest.Wait()
		welcome := k.heard()
		for i := 1; i < maxHalfOpen; i++ { // as if they had come
			k.gate.halves.add(&half{dial: dial{netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 1), 0, 0}, until: time.Minute})
		}
		if n := k.gate.halves.open.Len(); n != maxHalfOpen {
			t.Fatalf("%d handshakes are under way", n)
		}
		k.from = clientAddr
		_, p = k.full(t)
		k.gate.take(p, k.from)
		synctest.Wait()
		if !isPlain(k.heard(), typeRetry) || k.gate.Counters.Limited.Load() != 1 {
			t.Error("one more was begun")
		}
		k.last = welcome
		k.from, k.cid = first.from, first.cid
		if k.gate.take(k.confirm(t, s), k.from); len(ends) != 2 {
			t.Error("the first of them had to give way")
		}
		k.from = clientAddr
		k.shake(t) // there is room for one again
		k.gate.Close()
	})
}

// Those that are refused take no places: who has no token keeps nobody out who has one.
func TestRefusedTakeNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r register
		k := &knocker{psk: r.pass([]byte("bob")).PSK}
		k.gate = listening(t, r.with, k.sent)
		for i := range 40 {
			k.from, k.cid = netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 1), uint64(i)
			s, p := k.full(t)
			if i%2 == 0 {
				p[plainHeader+cookieSize+10] ^= 1 // and nonsense
			}
			k.gate.take(p, k.from)
			synctest.Wait()
			if i%2 == 1 {
				if _, msg, ok := parseAnswer(k.heard(), typeRefuse, KindUDP); !ok {
					t.Fatalf("no refusal but %q", k.heard())
				} else if _, _, err := s.read(msg, true); err != nil {
					t.Fatal(err)
				}
				before := k.gate.Counters.Handshakes.Load()
				k.gate.take(p, k.from) // again, and it is known
				synctest.Wait()
				if !isPlain(k.heard(), typeRefuse) || k.gate.Counters.Handshakes.Load() != before {
					t.Fatal("a refusal was computed twice")
				}
			}
		}
		if is := left(k.gate); is != "" {
			t.Errorf("%s are left", is)
		}
		k.offer.token = []byte("bob")
		k.shake(t)
		k.gate.Close()
	})
}

// What is remembered of those that came and went is bounded.
func TestPast(t *testing.T) {
	h := newHalves()
	for i := range 3 * maxPast {
		one := &half{dial: dial{addr: clientAddr, cid: uint64(i)}, until: time.Duration(i)}
		h.add(one)
		h.settle(one)
		h.settle(one)
	}
	if len(h.known) != maxPast || h.past.Len() != maxPast || h.open.Len()+len(h.byAddress) > 0 {
		t.Errorf("%d are known, %d past, %d open", len(h.known), h.past.Len(), h.open.Len())
	}
	if h.known[dial{addr: clientAddr, cid: 3*maxPast - 1}] == nil {
		t.Error("the last one is not known")
	}
	h.expire(3 * maxPast)
	if len(h.known) != 0 || h.past.Len() != 0 {
		t.Errorf("%d are known after they expired", len(h.known))
	}
}

// Those who compute handshakes are all busy, and as many wait as may. Who is in does not
// notice.
func TestWorkersBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy sync.WaitGroup
		busy.Add(1)
		first := true
		w := newWorld(t, lan, func(c *ServerConfig) {
			c.Room = func() bool {
				if !first {
					busy.Wait()
				}
				return true
			}
		})
		c, s := w.pair()
		synctest.Wait()
		first = false
		var in []*end
		done := make(chan struct{})
		go func() { // these keep the workers busy
			in, _, _ = w.crowd(maxWorkers, 10*time.Second, func(i int) string { return fmt.Sprintf("10.1.0.%d", i) })
			close(done)
		}()
		time.Sleep(time.Second)
		w.gate.mu.Lock()
		for i := range maxJobs { // and these wait
			h := &half{dial: dial{netip.AddrPortFrom(netip.AddrFrom4([4]byte{100, 64, byte(i >> 8), byte(i)}), 1), 0, 0}, until: time.Minute}
			w.gate.halves.add(h)
			w.gate.jobs = append(w.gate.jobs, job{half: h, noise: make([]byte, 52)})
		}
		w.gate.mu.Unlock()
		if _, _, errs := w.crowd(1, time.Second, func(int) string { return clientIP }); len(errs) != 1 || !errors.Is(errs[0], core.ErrTimeout) {
			t.Errorf("one more: %v", errs)
		}
		for i := range 100 {
			time.Sleep(16 * time.Millisecond)
			say := fmt.Sprint(i)
			begin := time.Now()
			if c.send(say); <-s.packets != say {
				t.Fatal("lost")
			}
			if s.send(say); <-c.packets != say || time.Since(begin) != 10*time.Millisecond {
				t.Fatal("delayed")
			}
		}
		w.gate.mu.Lock()
		if len(w.gate.jobs) != maxJobs || w.gate.workers != maxWorkers {
			t.Errorf("%d hellos wait for %d workers", len(w.gate.jobs), w.gate.workers)
		}
		w.gate.mu.Unlock()
		busy.Done()
		<-done
		more, err := w.dial(t.Context(), nil)
		if err != nil || len(in) != maxWorkers {
			t.Fatalf("once there was time, %d came in: %v", len(in), err)
		}
		time.Sleep(time.Second)
		w.close(append(append(in, c, s, more), w.accepted()...)...)
	})
}

// A server takes as many as it may. The others are told, and those who leave make room.
func TestMaxLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, func(c *ServerConfig) { c.MaxLinks = 5 })
		for range 2 {
			dialed, _, errs := w.crowd(20, 10*time.Second, func(i int) string { return fmt.Sprintf("10.1.0.%d", i) })
			for _, err := range errs {
				if !errors.Is(err, core.ErrRefused) {
					t.Error(err)
				}
			}
			time.Sleep(100 * time.Millisecond)
			var in, out []*end
			for _, c := range dialed {
				select {
				case err := <-c.ended:
					if err.Code != core.CodeFull {
						t.Error(err)
					}
					out = append(out, c)
				default:
					in = append(in, c)
				}
			}
			servers := w.accepted()
			if len(in) != 5 || len(servers) != 5 || w.gate.live != 5 {
				t.Errorf("%d are in, %d were accepted, %d count", len(in), len(servers), w.gate.live)
			}
			if _, err := w.dial(t.Context(), nil); !errors.Is(err, core.ErrRefused) {
				t.Errorf("one more: %v", err)
			}
			w.end(append(append(in, servers...), out...)...)
			time.Sleep(12 * time.Second)
			if is := left(w.gate); is != "" {
				t.Errorf("%s are left", is)
			}
		}
		w.close()
	})
}

// Whom the adapter does not take is told so, and does not count.
func TestAcceptRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lan, func(c *ServerConfig) { c.Accept = func(*Link) Handler { return nil } })
		c, err := w.dial(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := <-c.ended; err.Code != core.CodeFull || w.gate.live != 0 {
			t.Errorf("told %v; %d count", err, w.gate.live)
		}
		w.close(c)
	})
}

func TestHousehold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if a, b := household(netip.MustParseAddr(c.a)), household(netip.MustParseAddr(c.b)); (a == b) != c.same {
			t.Errorf("%s and %s: %v and %v", c.a, c.b, a, b)
		}
	}
}

// A cookie is good for who got it, for a while, also when the secret changes.
func TestCookies(t *testing.T) {
	j := newJar()
	now := 100 * 24 * time.Hour
	for range 1000 {
		now += 700 * time.Millisecond
		c := j.make(clientAddr, 5, now)
		check := func(when time.Duration, addr netip.AddrPort, cid uint64) bool {
			return j.check(c[:], addr, cid, now+when)
		}
		if !check(0, clientAddr, 5) || !check(cookieLife, clientAddr, 5) {
			t.Fatal("refused")
		}
		j.make(otherAddr, 9, now+5*time.Second) // the secret may change
		if !check(cookieLife, clientAddr, 5) {
			t.Fatal("refused after a change of the secret")
		}
		port := netip.AddrPortFrom(clientAddr.Addr(), clientAddr.Port()+1)
		if check(0, otherAddr, 5) || check(0, port, 5) || check(0, clientAddr, 6) || check(cookieLife+time.Second, clientAddr, 5) || check(-2*time.Second, clientAddr, 5) {
			t.Fatal("accepted where it is not good")
		}
		for i := range c {
			c[i] ^= 1
			if check(0, clientAddr, 5) {
				t.Fatalf("accepted with byte %d changed", i)
			}
			c[i] ^= 1
		}
		if j.check(c[:cookieSize-1], clientAddr, 5, now) || j.check(nil, clientAddr, 5, now) {
			t.Fatal("accepted a part")
		}
	}
	c := j.make(clientAddr, 5, now)
	for range 2 {
		now += secretLife
		j.make(otherAddr, 1, now)
	}
	copy(c[1:4], []byte{byte(now / time.Second), byte(now / time.Second >> 8), byte(now / time.Second >> 16)})
	if j.check(c[:], clientAddr, 5, now) || newJar().check(c[:], clientAddr, 5, now) {
		t.Error("accepted without its secret")
	}
}
