package gate

import (
	"net/netip"
	"testing"
	"time"
)

// still is an end that keeps nothing.
type still struct {
	link *Link
	size int
	last [MaxDatagram]byte // that was sent
	n    int
	got  int
}

func (s *still) Packet(time.Time, uint64, []byte) { s.got++ }
func (s *still) Moved()                           {}
func (s *still) TooBig()                          {}
func (s *still) Next(_ uint64, buf []byte) int    { return len(buf[:s.size]) }

// stillPair returns a client that sends to a server, packets of a size.
func stillPair(t testing.TB, size int) (client *still, server *Link) {
	c, s := between(t)
	client = &still{link: c.link, size: size}
	c.link.sock = newSocket(newWire(func(p []byte, _ netip.AddrPort) { client.n = copy(client.last[:], p) }))
	s.link.handler = deaf{}
	return client, s.link
}

// Nothing is allocated for a packet, whether it is taken or refused.
func TestAllocations(t *testing.T) {
	if race {
		t.Skip("the race detector allocates")
	}
	now := time.Now()
	c, s := stillPair(t, 200)
	var p [MaxDatagram]byte
	k := new(knocker)
	l := listening(t, nil, func([]byte, netip.AddrPort) {})
	defer l.Close()
	hello := k.first()
	stray := make([]byte, minForReset-1)
	stray[0] = flagSealed
	for name, run := range map[string]func(){
		"sent and taken": func() {
			c.link.Send(now, c)
			if !s.packet(c.last[:c.n], clientAddr) {
				t.Fatal("refused")
			}
		},
		"beat": func() {
			c.link.mu.Lock()
			c.link.control(serverAddr, opBeat, nil, keepaliveMin)
			c.link.mu.Unlock()
			if !s.packet(c.last[:c.n], clientAddr) {
				t.Fatal("refused")
			}
		},
		"forged": func() {
			c.link.Send(now, c)
			copy(p[:], c.last[:c.n])
			p[c.n-1] ^= 1
			if s.packet(p[:c.n], clientAddr) {
				t.Fatal("taken")
			}
		},
		"twice": func() {
			c.link.Send(now, c)
			copy(p[:], c.last[:c.n])
			s.packet(c.last[:c.n], clientAddr)
			if s.packet(p[:c.n], clientAddr) {
				t.Fatal("taken")
			}
		},
		"hello without a cookie": func() { l.take(hello, clientAddr) },
		"stray":                  func() { l.take(stray, clientAddr) },
	} {
		if n := testing.AllocsPerRun(1000, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if n := l.Counters.Retries.Load(); n < 1000 {
		t.Errorf("only %d hellos were answered", n)
	}
}

func BenchmarkPacket(b *testing.B) {
	now := time.Now()
	for _, size := range []int{50, 1171} {
		b.Run(map[int]string{50: "50", 1171: "1171"}[size], func(b *testing.B) {
			c, s := stillPair(b, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				c.link.Send(now, c)
				s.packet(c.last[:c.n], clientAddr)
			}
		})
	}
}

func BenchmarkForged(b *testing.B) {
	c, s := stillPair(b, 1171)
	c.link.Send(time.Now(), c)
	c.last[c.n-1] ^= 1
	var p [MaxDatagram]byte
	b.ReportAllocs()
	for b.Loop() {
		copy(p[:], c.last[:c.n])
		s.packet(p[:c.n], clientAddr)
	}
}

// BenchmarkRetry answers hellos without a cookie, from a million addresses.
func BenchmarkRetry(b *testing.B) {
	l := listening(b, nil, func([]byte, netip.AddrPort) {})
	defer l.Close()
	p := new(knocker).first()
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		l.retries.level = retryBurst
		l.take(p, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1))
	}
}

// BenchmarkHandshake is what a server computes for a client that comes in, up to its
// welcome.
func BenchmarkHandshake(b *testing.B) {
	l := listening(b, nil, func([]byte, netip.AddrPort) {})
	defer l.Close()
	said := l.retry
	c, err := newClientShake(said.keys, [32]byte{}, prologue(KindUDP, &said), offer{idle: time.Second, token: make([]byte, 300)})
	if err != nil {
		b.Fatal(err)
	}
	i := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		l.mu.Lock()
		h := &half{dial: dial{addr: clientAddr, mark: i}, until: time.Hour}
		l.halves.add(h)
		l.mu.Unlock()
		l.shake(job{half: h, noise: c.message})
		l.mu.Lock()
		if len(h.answer) == 0 {
			b.Fatal("no answer")
		}
		l.halves.forget(h)
		l.mu.Unlock()
	}
}
