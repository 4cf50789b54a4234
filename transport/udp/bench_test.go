package udp_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/udp"
)

// An echo sends a message to the other end and takes it back.
type echo interface {
	round(msg []byte) error
}

// plainEcho is the least that UDP costs: two sockets, no seal, no queue.
type plainEcho struct {
	conn *net.UDPConn
	to   netip.AddrPort
	buf  [2048]byte
}

func newUDP(b testing.TB) *net.UDPConn {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func newPlainEcho(b testing.TB) *plainEcho {
	s := newUDP(b)
	go func() {
		var buf [2048]byte
		for {
			n, from, err := s.ReadFromUDPAddrPort(buf[:])
			if err != nil {
				return
			}
			s.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	return &plainEcho{conn: newUDP(b), to: s.LocalAddr().(*net.UDPAddr).AddrPort()}
}

func (e *plainEcho) round(msg []byte) error {
	if _, err := e.conn.WriteToUDPAddrPort(msg, e.to); err != nil {
		return err
	}
	_, _, err := e.conn.ReadFromUDPAddrPort(e.buf[:])
	return err
}

// sealedEcho is what any transport with the same security must cost: a seal, and one
// queue between the goroutine that reads the socket and the one that works.
type sealedEcho struct {
	conn    *net.UDPConn
	to      netip.AddrPort
	in, out cipher.AEAD // nil: no seal
	next    uint64
	nonce   [12]byte
	buf     [2048]byte
	arrived chan []byte
	free    chan *[2048]byte
	used    chan *[2048]byte
}

const sealedHeader = 13 // as of udp's packets

func newSealedEnd(b testing.TB, in, out byte) *sealedEcho {
	aead := func(first byte) cipher.AEAD {
		block, err := aes.NewCipher(append(make([]byte, 15), first))
		if err != nil {
			b.Fatal(err)
		}
		a, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		return a
	}
	e := &sealedEcho{conn: newUDP(b), in: aead(in), out: aead(out), arrived: make(chan []byte, 64), free: make(chan *[2048]byte, 64), used: make(chan *[2048]byte, 64)}
	for range 64 {
		e.free <- new([2048]byte)
	}
	return e
}

func (e *sealedEcho) read() {
	defer close(e.arrived)
	var nonce [12]byte
	for {
		buf := <-e.free
		n, from, err := e.conn.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return
		}
		e.to = from
		binary.LittleEndian.PutUint32(nonce[4:], binary.LittleEndian.Uint32(buf[9:]))
		msg := buf[sealedHeader:n]
		if e.in != nil {
			if msg, err = e.in.Open(msg[:0], nonce[:], msg, buf[:sealedHeader]); err != nil {
				return
			}
		}
		e.used <- buf
		e.arrived <- msg
	}
}

func (e *sealedEcho) send(msg []byte, to netip.AddrPort) error {
	binary.LittleEndian.PutUint32(e.buf[9:], uint32(e.next))
	binary.LittleEndian.PutUint64(e.nonce[4:], e.next)
	e.next++
	p := append(e.buf[:sealedHeader], msg...)
	if e.out != nil {
		p = e.out.Seal(e.buf[:sealedHeader], e.nonce[:], msg, e.buf[:sealedHeader])
	}
	_, err := e.conn.WriteToUDPAddrPort(p, to)
	return err
}

func newSealedEcho(b testing.TB, seal bool) *sealedEcho {
	s, c := newSealedEnd(b, 1, 2), newSealedEnd(b, 2, 1)
	if !seal {
		s.in, s.out, c.in, c.out = nil, nil, nil, nil
	}
	go s.read()
	go c.read()
	go func() {
		for msg := range s.arrived {
			s.send(msg, s.to)
			s.free <- <-s.used
		}
	}()
	c.to = s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return c
}

func (e *sealedEcho) round(msg []byte) error {
	if err := e.send(msg, e.to); err != nil {
		return err
	}
	got, ok := <-e.arrived
	if !ok || len(got) != len(msg) {
		return fmt.Errorf("%d bytes came back", len(got))
	}
	e.free <- <-e.used
	return nil
}

// ours is a pair of this package's.
type ours struct {
	conn     core.Conn
	delivery core.Delivery
}

func newPair(b testing.TB, cfg udp.Config) (a, z core.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	t := udp.New(cfg)
	l, err := t.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if a, err = t.Dial(ctx, l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if z, err = l.Accept(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		a.Close(core.CodeNormal, "")
		z.Close(core.CodeNormal, "")
		l.Close()
	})
	return a, z
}

func newOurs(b testing.TB, d core.Delivery) ours {
	a, z := newPair(b, udp.Config{})
	go func() {
		for {
			msg, err := z.Recv(context.Background())
			if err != nil {
				return
			}
			z.Send(d, msg)
		}
	}()
	return ours{a, d}
}

func (o ours) round(msg []byte) error {
	if err := o.conn.Send(o.delivery, msg); err != nil {
		return err
	}
	_, err := o.conn.Recv(context.Background())
	return err
}

// BenchmarkEcho measures a message there and back beside bare echoes: plain has
// neither seal nor queue, queue has one between the goroutine that reads and the one that
// works, sealed has the same seal as well. They take turns, so that noise hits all.
// Reported are the median round trips, the processor time of all ends, and the ratios
// that matter: time to the sealed echo, processor to the one with a queue and no seal.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{32, 200, 1000} {
		for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
			b.Run(fmt.Sprintf("%s/%d", d, size), func(b *testing.B) {
				names := []string{"plain", "queue", "sealed", "udp"}
				echoes := []echo{newPlainEcho(b), newSealedEcho(b, false), newSealedEcho(b, true), newOurs(b, d)}
				var times [4][]time.Duration
				var used [4]time.Duration
				msg := make([]byte, size)
				const turn = 200
				rounds := max(b.N, turn)
				for done := 0; done < rounds; done += turn {
					for i, e := range echoes {
						before := cpu()
						for range turn {
							start := time.Now()
							if err := e.round(msg); err != nil {
								b.Fatal(names[i], err)
							}
							times[i] = append(times[i], time.Since(start))
						}
						used[i] += cpu() - before
					}
				}
				var median [4]float64
				for i, name := range names {
					slices.Sort(times[i])
					median[i] = float64(times[i][len(times[i])/2])
					b.ReportMetric(median[i]/1e3, "µs/"+name)
					b.ReportMetric(float64(used[i])/float64(len(times[i]))/1e3, "µs-cpu/"+name)
				}
				b.ReportMetric(median[3]/median[2], "udp/sealed")
				b.ReportMetric(float64(used[3])/float64(used[1]), "cpu-udp/queue")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkRoundTrip is the echo of this package alone, for profiles.
func BenchmarkRoundTrip(b *testing.B) {
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		b.Run(d.String(), func(b *testing.B) {
			o, msg := newOurs(b, d), make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.round(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
