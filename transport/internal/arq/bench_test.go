package arq

import (
	"fmt"
	"testing"

	"github.com/parley-net/parley/core"
)

// BenchmarkRoundTrip: a message there, and one back, each in a packet of its own.
func BenchmarkRoundTrip(b *testing.B) {
	for _, d := range []core.Delivery{core.Unreliable, core.Reliable} {
		b.Run(d.String(), func(b *testing.B) {
			l := newLoop(b, 0)
			b.ReportAllocs()
			for b.Loop() {
				l.send(0, d, l.dst[:64])
				l.turn(0)
				l.send(1, d, l.dst[:64])
				l.turn(100_000)
			}
			if l.got < b.N {
				b.Fatalf("%d messages came in %d round trips", l.got, b.N)
			}
			b.ReportMetric(float64(l.pn[0]+l.pn[1])/float64(b.N), "packets/op")
		})
	}
}

// BenchmarkBulk: Reliable messages as many as go, with and without loss.
func BenchmarkBulk(b *testing.B) {
	for _, lose := range []int{0, 20} {
		b.Run(fmt.Sprint("lost=", lose), func(b *testing.B) {
			l := newLoop(b, lose)
			const size = 10_000
			b.ReportAllocs()
			b.SetBytes(size)
			for b.Loop() {
				for !l.send(0, core.Reliable, l.dst[:size]) {
					l.turn(ms / 10)
				}
			}
			b.ReportMetric(float64(l.pn[0]+l.pn[1])/float64(b.N), "packets/op")
		})
	}
}

// BenchmarkWorst: the packets that cost a receiver most.
func BenchmarkWorst(b *testing.B) {
	const room = BaseDatagram - defaultOverhead
	var acks spans
	for i := range uint64(maxRanges) {
		acks.add(60*i, 60*i+59, maxRanges)
	}
	for _, c := range []struct {
		name string
		make func(i uint64, p []byte) []byte
	}{
		{"pieces", func(i uint64, p []byte) []byte {
			for k := uint64(0); len(p)+10 < room; k++ {
				p = append(appendDataHeader(p, 1+(i*7919+k*3001)%(window-1), 1), 0)
			}
			return p
		}},
		{"datagrams", func(_ uint64, p []byte) []byte {
			for len(p)+2 < room {
				p = appendDatagramHeader(p, 0)
			}
			return p
		}},
		{"ranges", func(_ uint64, p []byte) []byte { return appendAck(p, room, acks, 0, 0, 0) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := &siege{s: New(Config{InitialRTT: ms}, epoch), now: epoch, buf: make([]byte, MaxDatagram)}
			g.s.cc.window = ceiling
			for range maxFlight { // so that all it can remember is on its way
				if err := g.s.Send(g.now, core.Unreliable, nil); err != nil {
					b.Fatal(err)
				}
				g.s.cc.tokens = 1e9
				for g.s.Next(g.now, g.pn, g.buf) > 0 {
					g.pn++
				}
			}
			p := make([]byte, 0, room)
			b.ReportAllocs()
			for b.Loop() {
				if err := g.s.Receive(g.now, g.peerPN, c.make(g.peerPN, p)); err != nil {
					b.Fatal(err)
				}
				g.peerPN++
			}
		})
	}
}
