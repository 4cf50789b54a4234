package arq

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSpans compares spans with a set of numbers, operation by operation.
func TestSpans(t *testing.T) {
	const top = 200
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		most := 1 + rng.IntN(20)
		var s spans
		var set [top]bool
		count := func() (runs int) {
			for i, in := range set {
				if in && (i == 0 || !set[i-1]) {
					runs++
				}
			}
			return runs
		}
		for range 300 {
			from := rng.Uint64N(top - 1)
			to := from + 1 + rng.Uint64N(min(12, top-from-1)+1)
			to = min(to, top)
			before := set
			op := rng.IntN(5)
			switch op {
			case 0:
				for i := from; i < to; i++ {
					set[i] = true
				}
				if added := s.add(from, to, most); added != (count() <= most) {
					t.Fatalf("seed %d: add %d-%d to %d of %d spans: %v", seed, from, to, len(s), most, added)
				} else if !added {
					set = before
				}
			case 1:
				s.cover(from, to, most)
				for i := range set { // it may cover more, only between what was there and the new
					set[i] = s.meets(uint64(i), uint64(i)+1)
					if before[i] && !set[i] || uint64(i) >= from && uint64(i) < to && !set[i] {
						t.Fatalf("seed %d: cover %d-%d lost %d: %v", seed, from, to, i, s)
					}
				}
			case 2:
				for i := from; i < to; i++ {
					set[i] = false
				}
				s.remove(from, to, most)
				if count() > most {
					set = before
				}
			case 3:
				if rng.IntN(10) == 0 {
					s.cut(from)
					for i := range from {
						set[i] = false
					}
				}
			case 4:
				if got, want := s.meets(from, to), slices.Contains(set[from:to], true); got != want {
					t.Fatalf("seed %d: %v meets %d-%d: %v", seed, s, from, to, got)
				}
			}
			var got [top]bool
			for i, p := range s {
				if p.from >= p.to || i > 0 && p.from <= s[i-1].to {
					t.Fatalf("seed %d: op %d left %v", seed, op, s)
				}
				for n := p.from; n < p.to; n++ {
					got[n] = true
				}
			}
			if got != set {
				t.Fatalf("seed %d: op %d with %d-%d left %v", seed, op, from, to, s)
			}
			if len(s) > most {
				t.Fatalf("seed %d: op %d left %d spans of at most %d", seed, op, len(s), most)
			}
		}
	}
}

// TestCoverNearest holds that where there are too many spans, the smaller gap is closed.
func TestCoverNearest(t *testing.T) {
	for _, c := range []struct {
		from, to uint64
		want     spans
	}{
		{0, 1, spans{{0, 20}, {40, 50}}},
		{22, 25, spans{{10, 25}, {40, 50}}},
		{36, 38, spans{{10, 20}, {36, 50}}},
		{29, 31, spans{{10, 31}, {40, 50}}},
		{60, 61, spans{{10, 20}, {40, 61}}},
	} {
		s := spans{{10, 20}, {40, 50}}
		if s.cover(c.from, c.to, 2); !slices.Equal(s, c.want) {
			t.Errorf("%d-%d made %v, want %v", c.from, c.to, s, c.want)
		}
	}
}
