package link

import (
	"errors"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/wire"
)

// FuzzPackets reads headers from a stranger, one behind the other. No packet may be
// told of that was not sent, or twice, and what is answered must be readable.
func FuzzPackets(f *testing.F) {
	var a, b Packets
	var stream []byte
	for i := range 40 {
		now := at(time.Duration(i) * time.Millisecond)
		header := b.AppendHeader(nil, now)
		stream = append(stream, header...)
		if i%3 != 0 {
			a.Received(uint64(i+1), now)
		}
		b.Received(uint64(i/2), now)
	}
	f.Add(stream)
	f.Add([]byte{1, 3, 0, 1, 0xff, 2, 9, 0, 2, 0xff, 0xff})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 1, 0, 0})
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x10, 0, 1, 20, 0x80, 0x80, 0x80, 0x80, 0x10, 0})
	f.Add(append([]byte{1, 20, 0, 32}, make([]byte, 32)...))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var p Packets
		told := make(map[uint64]bool)
		tell := func(seq uint64) {
			if seq == 0 || seq >= p.Next() || told[seq] {
				t.Errorf("packet %d of %d is told of; it was before: %v", seq, p.Next()-1, told[seq])
			}
			told[seq] = true
		}
		r := wire.NewReader(stream)
		for n := 0; r.Len() > 0 && n < 1000; n++ {
			now := at(time.Duration(n) * time.Millisecond)
			for range n%3 + 1 {
				header := p.AppendHeader(nil, now)
				if len(header) > 10+10+5+1+maxMask {
					t.Errorf("a header of %d bytes", len(header))
				}
				own := wire.NewReader(header)
				peer := Packets{next: p.newest, settle: p.newest - min(p.newest, 3)}
				if peer.ReadHeader(&own, now, func(uint64) {}, func(uint64) {}); own.End() != nil {
					t.Errorf("the peer cannot read %x: %v", header, own.Err())
				}
			}
			seq := p.ReadHeader(&r, now, tell, tell)
			if r.Err() != nil {
				break
			}
			if first, again := p.Received(seq, now), p.Received(seq, now); first && again {
				t.Errorf("packet %d was taken twice", seq)
			}
			if p.RTT() < 0 || p.loss < 0 || p.loss > 1 {
				t.Errorf("a round trip of %v, a loss of %v", p.RTT(), p.loss)
			}
		}
		if err := r.Err(); err != nil && !errors.Is(err, core.ErrMalformed) {
			t.Errorf("the error is %v", err)
		}
	})
}
