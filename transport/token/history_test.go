package token

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// fill consumes tokens until the history is full, each of which expires a millisecond
// after the one before.
func fill(t testing.TB, v *Verifier, now, first time.Time) {
	t.Helper()
	for n := range MaxConsumed {
		p := &Pass{ID: [16]byte{byte(n), byte(n >> 8), 1}, Expires: first.Add(time.Duration(n) * time.Millisecond)}
		if err := v.Consume(p, now); err != nil {
			t.Fatalf("token %d: %v", n, err)
		}
	}
}

func TestFullHistoryRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []Key{seeded(t, 1)}
		v := verifier(t, Config{Keys: keys, Server: "eu-1"})
		g := eu1
		g.TTL = MaxTTL
		now := time.Now()
		fill(t, v, now, now.Add(30*second))
		tok := issue(t, keys, g)
		p, err := v.Open(tok.Sealed, now)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, v.Consume(p, now), "try again in 35s", p.PSK[:])
		refused(t, v.Consume(&Pass{ID: [16]byte{7, 0, 1}, Expires: now.Add(30*second + 7*millisecond)}, now), "used already")
		refused(t, v.Consume(p, now.Add(35*second-millisecond)), "try again in 1ms")
		if held := cap(v.past.used) * int(unsafe.Sizeof(use{})); held > 2<<20 {
			t.Errorf("the history holds %d bytes", held)
		}
		// One expires, one comes in, and the next waits.
		if err := v.Consume(p, now.Add(35*second)); err != nil {
			t.Errorf("when the first has expired: %v", err)
		}
		refused(t, v.Consume(&Pass{ID: [16]byte{15: 1}, Expires: p.Expires}, now.Add(35*second)), "try again in 1ms")
		if n := len(v.past.used); n != MaxConsumed {
			t.Errorf("%d tokens are remembered, want %d", n, MaxConsumed)
		}
		// And all of them are forgotten in the end.
		if err := v.Consume(&Pass{ID: [16]byte{15: 2}, Expires: now.Add(600 * second)}, now.Add(599*second)); err != nil {
			t.Error(err)
		}
		if n := len(v.past.used); n != 1 {
			t.Errorf("%d tokens are remembered, want one", n)
		}
	})
}

// TestConsumedForEver holds, for any clock, that no token is consumed twice or opened
// after it was consumed; and for one that runs as it should, that all others are good.
func TestConsumedForEver(t *testing.T) {
	seed := rand.Uint64()
	for _, tt := range []struct {
		name   string
		leaps  time.Duration // how far the clock is set, back or forth, at times
		steady bool
	}{{"steady", 0, true}, {"by seconds", 10 * second, false}, {"by minutes", 10 * time.Minute, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				keys := []Key{seeded(t, 1)}
				v := verifier(t, Config{Keys: keys, Server: "eu-1"})
				type held struct {
					tok  Token
					pass *Pass // nil until it was opened
					used bool
				}
				var all []*held
				var off time.Duration
				opened, used := 0, 0
				for range 3000 {
					time.Sleep(time.Duration(r.Int64N(int64(200 * millisecond))))
					if !tt.steady && r.IntN(50) == 0 {
						off = 0
						if r.IntN(2) == 0 {
							off = time.Duration(r.Int64N(int64(2*tt.leaps))) - tt.leaps
						}
					}
					now := time.Now().Add(off)
					if len(all) < 20 || r.IntN(3) == 0 {
						g := eu1
						g.TTL = millisecond + time.Duration(r.Int64N(int64(60*second)))
						h := &held{tok: issue(t, keys, g)}
						if all = append(all, h); len(all) > 200 {
							all = slices.Delete(all, 0, 1)
						}
						p, err := v.Open(h.tok.Sealed, now)
						if err != nil && tt.steady {
							t.Fatalf("seed %d: a new token: %v", seed, err)
						}
						h.pass = p
						continue
					}
					h := all[r.IntN(len(all))]
					if h.pass == nil || r.IntN(2) == 0 {
						p, err := v.Open(h.tok.Sealed, now)
						switch {
						case err == nil && h.used:
							t.Fatalf("seed %d: a consumed token was opened at %v", seed, now)
						case err == nil:
							opened++
							h.pass = p
						case tt.steady && !h.used && now.Before(h.pass.Expires):
							t.Fatalf("seed %d: %v", seed, err)
						}
						continue
					}
					err := v.Consume(h.pass, now)
					switch {
					case err == nil && h.used:
						t.Fatalf("seed %d: a token was consumed twice, at %v", seed, now)
					case err == nil:
						used++
						h.used = true
					case tt.steady && !h.used && now.Before(h.pass.Expires):
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
				if opened < 20 || used < 20 {
					t.Errorf("seed %d: %d were opened and %d consumed: that tries nothing", seed, opened, used)
				}
			})
		})
	}
}

func BenchmarkConsume(b *testing.B) {
	keys := []Key{seeded(b, 1)}
	v := verifier(b, Config{Keys: keys, Server: "eu-1"})
	began := time.Now()
	fill(b, v, began, began.Add(30*second))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ { // the worst place: each forgets one of a full history
		p := &Pass{ID: [16]byte{byte(n), byte(n >> 8), byte(n >> 16), 2}, Expires: began.Add(30*second + time.Duration(MaxConsumed+n)*millisecond)}
		if err := v.Consume(p, began.Add(35*second+time.Duration(n)*millisecond)); err != nil {
			b.Fatal(err)
		}
	}
}
