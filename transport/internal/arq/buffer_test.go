package arq

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestBuffer compares a buffer with an array, near the offsets where counters of 32
// bits end and where chunks do.
func TestBuffer(t *testing.T) {
	for seed := range uint64(few(60)) {
		rng := rand.New(rand.NewPCG(seed, 0))
		start := []uint64{0, 1, chunkSize - 1, 1<<32 - 10_000, 1<<62 - 1<<20}[seed%5]
		var p pool
		b := buffer{pool: &p, base: start, top: start}
		const size = 10 * chunkSize
		model := make([]byte, size)   // from start on
		written := make([]bool, size) // of it
		for range 400 {
			if rng.IntN(3) > 0 {
				from := int(b.base-start) + rng.IntN(5*chunkSize)
				n := 1 + rng.IntN(3*chunkSize)
				if from+n > size {
					continue
				}
				for i := from; i < from+n; i++ {
					model[i] = byte(rng.Uint32())
					written[i] = true
				}
				b.write(start+uint64(from), model[from:from+n])
			} else {
				by := rng.Uint64N(chunkSize) // not beyond what was written
				b.release(min(b.base+by, b.top))
			}
			for i := int(b.base - start); i < size; {
				n := 0
				for i+n < size && written[i+n] {
					n++
				}
				got := make([]byte, n)
				if b.read(got, start+uint64(i)); !bytes.Equal(got, model[i:i+n]) {
					t.Fatalf("seed %d: the %d bytes at %d are not what was written", seed, n, i)
				}
				i += n + 1
			}
			held := 0
			for _, c := range b.table {
				if c != nil {
					held++
				}
			}
			if most := int(b.top>>chunkBits-b.base>>chunkBits) + 1; held > most {
				t.Fatalf("seed %d: %d chunks are held for bytes %d to %d", seed, held, b.base, b.top)
			}
		}
		b.release(b.top)
		for _, c := range b.table {
			if c != nil {
				t.Fatalf("seed %d: an empty buffer holds a chunk", seed)
			}
		}
	}
}

// TestPool holds that chunks are used again, and given back when nobody needs them.
func TestPool(t *testing.T) {
	var p pool
	chunks := map[*chunk]bool{}
	for range 8 {
		chunks[p.get()] = true
	}
	for c := range chunks {
		p.put(c)
	}
	p.trim() // all eight were in use since the beginning
	for range 5 {
		if c := p.get(); !chunks[c] {
			t.Fatal("a chunk was made though eight are free")
		} else {
			p.put(c)
		}
	}
	if p.trim(); len(p.free) != 1 {
		t.Fatalf("one chunk was needed at a time, and %d are kept", len(p.free))
	}
	if p.trim(); p.free != nil {
		t.Fatalf("no chunk was needed, and %d are kept", len(p.free))
	}
}
