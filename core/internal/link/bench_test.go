package link

import (
	"testing"
	"time"

	"github.com/parley-net/parley/core/internal/wire"
)

// exchange has two sides send each other a packet; the answer comes four packets
// late, and every tenth packet is lost.
type exchange struct {
	a, b Packets
	buf  [8][]byte
	n    int
	told int
}

func (x *exchange) step() {
	x.n++
	now := at(time.Duration(x.n) * time.Millisecond)
	slot := &x.buf[x.n%len(x.buf)]
	*slot = x.a.AppendHeader((*slot)[:0], now)
	if late := x.buf[(x.n+4)%len(x.buf)]; len(late) > 0 && x.n%10 != 0 {
		x.read(&x.b, late, now)
	}
	var answer [64]byte
	x.read(&x.a, x.b.AppendHeader(answer[:0], now), now)
}

func (x *exchange) read(p *Packets, b []byte, now time.Time) {
	r := wire.NewReader(b)
	seq := p.ReadHeader(&r, now, func(uint64) { x.told++ }, func(uint64) { x.told++ })
	p.Received(seq, now)
}

// BenchmarkPackets is one packet each way: two headers written and read.
func BenchmarkPackets(b *testing.B) {
	x := new(exchange)
	b.ReportAllocs()
	for b.Loop() {
		x.step()
	}
}

// TestPacketsAllocs holds that a steady exchange allocates nothing.
func TestPacketsAllocs(t *testing.T) {
	x := new(exchange)
	for range 100 {
		x.step()
	}
	if n := testing.AllocsPerRun(1000, x.step); n != 0 {
		t.Errorf("an exchange of packets allocates %v times", n)
	}
	if x.told == 0 {
		t.Error("nothing was told")
	}
}
