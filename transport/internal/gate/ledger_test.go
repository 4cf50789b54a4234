package gate

import (
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	datagrams = flag.Int("datagrams", 100_000, "how many datagrams of strangers TestLedger sends; 1000000 to be sure")
	hellos    = flag.Int("hellos", 1_000_000, "how many hellos with false senders TestFlood sends")
)

// ledger counts, for each address, the bytes that came from there and went there.
type ledger struct {
	mu    sync.Mutex
	books map[netip.AddrPort]*book
}

type book struct{ in, out int }

func newLedger() *ledger { return &ledger{books: make(map[netip.AddrPort]*book)} }

func (l *ledger) add(a netip.AddrPort, in, out int) book {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[a]
	if b == nil {
		b = new(book)
		l.books[a] = b
	}
	b.in += in
	b.out += out
	return *b
}

// sum returns what came and went in all.
func (l *ledger) sum() (b book) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.books {
		b.in += a.in
		b.out += a.out
	}
	return b
}

// knocker is a client by hand.
type knocker struct {
	gate  *Listener
	from  netip.AddrPort
	cid   uint64
	offer offer
	psk   [32]byte

	mu   sync.Mutex
	last []byte // what the gate sent
}

func (k *knocker) sent(p []byte, to netip.AddrPort) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = bytes.Clone(p)
}

func (k *knocker) heard() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// first returns a hello without a cookie.
func (k *knocker) first() []byte { return appendHello(nil, hello{kind: KindUDP, cid: k.cid}) }

// full gets a cookie and returns a hello with it.
func (k *knocker) full(t testing.TB) (*clientShake, []byte) {
	t.Helper()
	k.gate.take(k.first(), k.from)
	r, ok := parseRetry(k.heard(), KindUDP)
	if !ok {
		t.Fatalf("no retry but %q", k.heard())
	}
	return k.with(t, r)
}

func (k *knocker) with(t testing.TB, r retry) (*clientShake, []byte) {
	t.Helper()
	s, err := newClientShake(r.keys, k.psk, prologue(KindUDP, &r), k.offer)
	if err != nil {
		t.Fatal(err)
	}
	return s, appendHello(nil, hello{kind: KindUDP, cid: k.cid, cookie: r.cookie, noise: s.message})
}

// shake makes a handshake, and returns the packet that confirms it.
func (k *knocker) shake(t testing.TB) []byte {
	t.Helper()
	s, p := k.full(t)
	k.gate.take(p, k.from)
	synctest.Wait()
	return k.confirm(t, s)
}

func (k *knocker) confirm(t testing.TB, s *clientShake) []byte {
	t.Helper()
	_, msg, ok := parseAnswer(k.heard(), typeWelcome, KindUDP)
	if !ok {
		t.Fatalf("no welcome but %q", k.heard())
	}
	payload, keys, err := s.read(msg, false)
	if err != nil {
		t.Fatal(err)
	}
	g, ok := parseGrant(payload)
	if !ok {
		t.Fatalf("no grant but %q", payload)
	}
	send, err := newKey(keys.toServer)
	if err != nil {
		t.Fatal(err)
	}
	out := sealer{key: send, peer: g.cid, packets: rekeyPackets}
	buf := make([]byte, MaxDatagram)
	return out.seal(buf, copy(buf[sealedHeader:], []byte{opPing}), true)
}

// Whatever strangers send, the answers are 0.15 of it at most, for each address, and
// nothing is sent that was not asked for.
func TestLedger(t *testing.T) {
	const seed = 1
	synctest.Test(t, func(t *testing.T) {
		rng := mathrand.New(mathrand.NewPCG(seed, 0))
		books := newLedger()
		k := &knocker{from: clientAddr, cid: 5, offer: offer{idle: 10 * time.Second}}
		l := listening(t, nil, func(p []byte, to netip.AddrPort) {
			books.add(to, 0, len(p))
			k.sent(p, to)
		})
		k.gate = l
		s, full := k.full(t)
		l.take(full, k.from)
		synctest.Wait()
		live := k.confirm(t, s) // would make a connection, wherever it comes from
		clear(live[sealedHeader:])
		recorded := [][]byte{k.first(), full, live, k.heard()}
		before := books.sum()

		answered := 0
		for i := range *datagrams {
			p := stranger(rng, recorded)
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(64)), 1}), 1234)
			had := books.add(from, len(p), 0)
			l.take(p, from)
			has := books.add(from, 0, 0)
			if has.out > had.out {
				answered++
			}
			if float64(has.out) > 0.15*float64(has.in) {
				t.Fatalf("seed %d, datagram %d: %d bytes from a stranger, %d bytes to him: the last was %d bytes %.40x", seed, i, has.in, has.out, len(p), p)
			}
			before.in += len(p)
			before.out += has.out - had.out
			if i%100 == 0 {
				time.Sleep(time.Millisecond) // buckets fill again
			}
		}
		if answered < *datagrams/10 {
			t.Errorf("only %d were answered: the test tests nothing", answered)
		}
		time.Sleep(time.Minute)
		if after := books.sum(); after != before {
			t.Errorf("%d bytes were sent that nobody asked for", after.out-before.out)
		}
		if n := l.halves.open.Len(); n != 1 {
			t.Errorf("%d handshakes are kept of strangers", n-1)
		}
		l.Close()
	})
}

// stranger makes something to send: what was recorded, from elsewhere; changed; or junk.
func stranger(rng *mathrand.Rand, recorded [][]byte) []byte {
	p := bytes.Clone(recorded[rng.IntN(len(recorded))])
	switch rng.IntN(8) {
	case 0: // as it is
	case 1:
		for range 1 + rng.IntN(4) {
			p[rng.IntN(len(p))] ^= 1 << rng.IntN(8)
		}
	case 2:
		p = p[:rng.IntN(len(p)+1)]
	case 3:
		p = append(p, make([]byte, rng.IntN(300))...)
	case 4: // a hello of another version or kind
		p = appendHello(nil, hello{kind: KindUDP, cid: rng.Uint64()})
		p[4+rng.IntN(2)] = byte(rng.IntN(256))
	case 5: // a packet of a connection that nobody knows
		p = make([]byte, Overhead+rng.IntN(MaxDatagram))
		rand.Read(p)
		p[0] |= flagSealed
	case 6:
		p = make([]byte, rng.IntN(2048))
		rand.Read(p)
	case 7: // a hello whose lengths lie
		p = appendHello(nil, hello{kind: KindUDP, cid: rng.Uint64()})
		order.PutUint16(p[plainHeader+cookieSize:], uint16(rng.IntN(1<<16)))
	}
	return p
}

// Who has proven an address, and not that he has the keys, gets no more than he sends.
func TestLedgerOfHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := mathrand.New(mathrand.NewPCG(1, 0))
		books := newLedger()
		k := new(knocker)
		l := listening(t, func(c *ServerConfig) {
			c.Open = func(b []byte) (Pass, error) {
				if len(b) > 100 {
					return Pass{}, fmt.Errorf("%0300d", 0) // the longest refusal
				}
				return Pass{ID: [16]byte{b[0]}}, nil
			}
		}, func(p []byte, to netip.AddrPort) {
			books.add(to, 0, len(p))
			k.sent(p, to)
		})
		k.gate = l
		for i := range 500 {
			k.from = netip.AddrPortFrom(clientAddr.Addr(), uint16(1+i%5))
			k.cid = uint64(i % 7)
			k.offer.token = make([]byte, rng.IntN(maxToken+1))
			books.add(k.from, MinDatagram, 0) // of the one that gets the cookie
			_, p := k.full(t)
			switch rng.IntN(4) {
			case 0:
				p[plainHeader+cookieSize+2+rng.IntN(600)] ^= 1
			case 1:
				order.PutUint16(p[plainHeader+cookieSize:], uint16(1+rng.IntN(maxNoise)))
			}
			for range 1 + rng.IntN(3) {
				books.add(k.from, len(p), 0)
				l.take(p, k.from)
				if rng.IntN(2) == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
			if b := books.add(k.from, 0, 0); b.out > b.in {
				t.Fatalf("%d bytes came and %d went", b.in, b.out)
			}
			time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		}
		before := books.sum()
		time.Sleep(time.Minute)
		if after := books.sum(); after != before {
			t.Errorf("%d bytes were sent that nobody asked for", after.out-before.out)
		}
		t.Logf("%d bytes came, %d went; %d handshakes, %d refused, %d limited", before.in, before.out,
			l.Counters.Handshakes.Load(), l.Counters.Refused.Load(), l.Counters.Limited.Load())
		l.Close()
	})
}

// A million hellos with false senders leave nothing behind.
func TestFlood(t *testing.T) {
	accepted := 0
	l := listening(t, func(c *ServerConfig) {
		c.Accept = func(k *Link) Handler {
			accepted++
			return newEnd(k)
		}
	}, func([]byte, netip.AddrPort) {})
	defer l.Close()
	rng := mathrand.New(mathrand.NewPCG(1, 0))
	p := appendHello(nil, hello{kind: KindUDP})
	n := *hellos
	if race {
		n /= 10
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range n {
		order.PutUint64(p[6:], rng.Uint64())
		if i%4 == 0 { // some claim to have a cookie
			order.PutUint64(p[plainHeader+4:], rng.Uint64())
			order.PutUint16(p[plainHeader+cookieSize:], 52)
		} else {
			clear(p[plainHeader:])
		}
		var ip [16]byte
		order.PutUint64(ip[:], rng.Uint64())
		order.PutUint64(ip[8:], rng.Uint64())
		from := netip.AddrFrom16(ip)
		if i%2 == 0 {
			from = netip.AddrFrom4([4]byte(ip[:]))
		}
		l.take(p, netip.AddrPortFrom(from, uint16(rng.Uint32())))
	}
	grown, more := heap()-before, runtime.NumGoroutine()-goroutines
	t.Logf("%d hellos: %d bytes of heap, %d goroutines, %d retries", n, grown, more, l.Counters.Retries.Load())
	if grown > 8<<20 || more > 0 || accepted > 0 || len(l.links)+len(l.halves.known)+len(l.halves.byAddress)+len(l.jobs) > 0 {
		t.Errorf("%d hellos left %d bytes, %d goroutines, %d connections, %d handshakes", n, grown, more, accepted, len(l.halves.known))
	}
}
