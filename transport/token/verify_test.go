package token

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

const (
	second      = time.Second
	millisecond = time.Millisecond
)

var eu1 = Grant{User: "ann", Servers: []string{"eu-1"}}

// TestExpiry holds from when to when a token is good, by the server's clock, that of the
// login service being zero when it issues.
func TestExpiry(t *testing.T) {
	for _, tt := range []struct {
		name  string
		skew  time.Duration
		ttl   time.Duration
		first time.Duration // the first moment at which it is good
		last  time.Duration
	}{
		{"by default", 0, 0, -5 * second, 50*second - millisecond},
		{"no skew", -1, 0, 0, 45*second - millisecond},
		{"another skew", 100 * millisecond, 10 * second, -100 * millisecond, 10*second + 99*millisecond},
		{"the longest life", 0, MaxTTL, -5 * second, 305*second - millisecond},
		{"the shortest life", -1, millisecond, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keys := []Key{seeded(t, 1)}
				v := verifier(t, Config{Keys: keys, Server: "eu-1", Skew: tt.skew})
				g := eu1
				g.TTL = tt.ttl
				tok := issue(t, keys, g)
				began := time.Now()
				for _, at := range []time.Duration{tt.first, tt.last} {
					if _, err := v.Open(tok.Sealed, began.Add(at)); err != nil {
						t.Errorf("at %v: %v", at, err)
					}
				}
				_, err := v.Open(tok.Sealed, began.Add(tt.last+millisecond))
				refused(t, err, "token expired", tok.PSK[:])
				_, err = v.Open(tok.Sealed, began.Add(tt.last+100*365*24*time.Hour))
				refused(t, err, "token expired")
				_, err = v.Open(tok.Sealed, began.Add(tt.first-millisecond))
				refused(t, err, "in the future", tok.PSK[:])

				p, err := v.Open(tok.Sealed, began.Add(tt.last))
				if err != nil {
					t.Fatal(err)
				}
				refused(t, v.Consume(p, began.Add(tt.last+millisecond)), "token expired")
				if err := v.Consume(p, began.Add(tt.last)); err != nil {
					t.Errorf("it cannot be consumed at the last moment: %v", err)
				}
			})
		})
	}
}

// TestRestart holds that a token does not outlive the server that it was issued to.
func TestRestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		skew time.Duration
		last time.Duration // how long after it was issued a server may start and take it
	}{
		{"by default", 0, 5 * second},
		{"no skew", -1, 0},
		{"another skew", 100 * millisecond, 100 * millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conf := Config{Keys: []Key{seeded(t, 1)}, Server: "eu-1", Skew: tt.skew}
				tok := issue(t, conf.Keys, eu1)
				time.Sleep(tt.last)
				v := verifier(t, conf)
				time.Sleep(millisecond)
				restarted := verifier(t, conf)
				if _, err := v.Open(tok.Sealed, time.Now()); err != nil {
					t.Errorf("a server that started %v after the token was issued: %v", tt.last, err)
				}
				_, err := restarted.Open(tok.Sealed, time.Now())
				refused(t, err, "older than the server, which started "+(tt.last+millisecond).String()+" after it was issued: get a new one", tok.PSK[:])
				if _, err := restarted.Open(issue(t, conf.Keys, eu1).Sealed, time.Now()); err != nil {
					t.Errorf("a new token: %v", err)
				}
			})
		})
	}
}

func TestOtherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []Key{seeded(t, 1)}
		g := eu1
		g.Servers = []string{"eu-1", "eu-2"}
		tok := issue(t, keys, g)
		for _, name := range g.Servers { // once in each
			v := verifier(t, Config{Keys: keys, Server: name})
			p, err := v.Open(tok.Sealed, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Consume(p, time.Now()); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{"eu-3", "eu", "EU-1", "eu-1eu-2"} {
			_, err := verifier(t, Config{Keys: keys, Server: name}).Open(tok.Sealed, time.Now())
			refused(t, err, `for other servers than "`+name+`": get a new one`, tok.PSK[:])
		}
	})
}

func TestSingleUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []Key{seeded(t, 1)}
		v := verifier(t, Config{Keys: keys, Server: "eu-1"})
		tok, other := issue(t, keys, eu1), issue(t, keys, eu1)
		// Whoever shows it, however often, spends nothing: that takes Consume.
		var p, q *Pass
		for range 3 {
			var err error
			if p, err = v.Open(tok.Sealed, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		q, err := v.Open(tok.Sealed, time.Now()) // a second handshake, half open
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Consume(p, time.Now()); err != nil {
			t.Fatal(err)
		}
		refused(t, v.Consume(q, time.Now()), "used already", p.PSK[:])
		_, err = v.Open(tok.Sealed, time.Now())
		refused(t, err, "used already, and serves once: get a new one", p.PSK[:])
		if _, err := v.Open(other.Sealed, time.Now()); err != nil {
			t.Errorf("another token of the same player: %v", err)
		}
		time.Sleep(DefaultTTL + DefaultSkew)
		_, err = v.Open(tok.Sealed, time.Now())
		refused(t, err, "token expired 5s ago: get a new one")
	})
}

// TestRotation changes keys step by step, as the package comment tells. A token that was
// issued before a step is good after it.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, new := seeded(t, 1), seeded(t, 2)
		login := []Key{old}
		v := verifier(t, Config{Keys: login, Server: "eu-1"})
		opens := func(tok Token) {
			t.Helper()
			if _, err := v.Open(tok.Sealed, time.Now()); err != nil {
				t.Error(err)
			}
		}
		step := func(keys ...Key) {
			t.Helper()
			if err := v.SetKeys(keys); err != nil {
				t.Fatal(err)
			}
		}
		longest := eu1
		longest.TTL = MaxTTL

		first := issue(t, login, eu1)
		opens(first)
		step(old, new) // 1. the servers know the new key
		opens(first)
		last := issue(t, login, longest)
		opens(last)
		login = []Key{new, old} // 2. the login service seals with it
		fresh := issue(t, login, eu1)
		opens(fresh)
		opens(last)
		time.Sleep(MaxTTL + DefaultSkew - millisecond)
		opens(last)
		time.Sleep(millisecond) // 3. the old one goes
		_, err := v.Open(last.Sealed, time.Now())
		refused(t, err, "expired")
		step(new)
		opens(issue(t, login, eu1))

		_, err = v.Open(issue(t, []Key{old}, eu1).Sealed, time.Now())
		refused(t, err, old.String()[len("token "):]+", which this server does not have", old.secret[:])
		if v.SetKeys(nil) == nil {
			t.Error("all keys are gone")
		}
		opens(issue(t, login, eu1))
	})
}

// TestKeysOfOneNumber holds that keys whose numbers are the same by chance, and a slice
// that its owner changes later, do no harm.
func TestKeysOfOneNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := seeded(t, 1), seeded(t, 2)
		b.id = a.id
		keys := []Key{a, b}
		v := verifier(t, Config{Keys: keys, Server: "eu-1"})
		keys[0], keys[1] = seeded(t, 3), seeded(t, 3)
		for _, k := range []Key{a, b} {
			if _, err := v.Open(issue(t, []Key{k}, eu1).Sealed, time.Now()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestOpenRefusesDamage holds that every beginning of a sealed token, and every sealed
// token in which one byte is another, is refused.
func TestOpenRefusesDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := []Key{seeded(t, 1)}
		v := verifier(t, Config{Keys: keys, Server: "eu-1"})
		tok := issue(t, keys, eu1)
		for n := range Size {
			p, err := v.Open(tok.Sealed[:n], time.Now())
			if p != nil || !errors.Is(err, core.ErrRefused) {
				t.Fatalf("the first %d bytes give %v, %v", n, p, err)
			}
		}
		_, err := v.Open(append(bytes.Clone(tok.Sealed), 0), time.Now())
		refused(t, err, "513 bytes that are no token of this version")
		b := bytes.Clone(tok.Sealed)
		for i := range b {
			for range 255 {
				b[i]++
				if p, err := v.Open(b, time.Now()); p != nil || !errors.Is(err, core.ErrRefused) {
					t.Fatalf("byte %d as %d gives %v, %v", i, b[i], p, err)
				}
			}
			b[i]++
		}
		if _, err := v.Open(b, time.Now()); err != nil {
			t.Errorf("the token itself: %v", err)
		}
		b[0]++
		_, err = v.Open(b, time.Now())
		refused(t, err, "512 bytes that are no token of this version")
		b[0]--
		b[Size-1] ^= 1
		_, err = v.Open(b, time.Now())
		refused(t, err, "changed on its way, or forged", tok.PSK[:])
	})
}

func FuzzOpen(f *testing.F) {
	sealed := unhex(f, vector(f)["sealed"])
	key, err := ParseKey(vector(f)["key text"])
	if err != nil {
		f.Fatal(err)
	}
	issued := number(f, vector(f)["issued"])
	v := verifier(f, Config{Keys: []Key{key}, Server: "eu-1"})
	v.start = issued
	f.Add(sealed, int64(0))
	f.Add(sealed, int64(49_999))
	f.Add(sealed, int64(50_000))
	f.Add(sealed, int64(-5_001))
	f.Add(sealed[:Size-1], int64(0))
	f.Add(make([]byte, Size), int64(0))
	f.Add([]byte{}, int64(1<<62))
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		p, err := v.Open(b, time.UnixMilli(issued).Add(time.Duration(at)*time.Millisecond))
		if err != nil {
			if p != nil {
				t.Fatalf("both %v and %v", p, err)
			}
			refused(t, err, "")
		} else if !bytes.Equal(b, sealed) {
			t.Fatalf("%x is a forgery, and opens as %v", b, p)
		}
	})
}

// TestConcurrency has many goroutines race for each of many tokens, while keys are
// replaced: one wins each.
func TestConcurrency(t *testing.T) {
	const tokens, racers = 64, 8
	keys := []Key{seeded(t, 1)}
	v := verifier(t, Config{Keys: keys, Server: "eu-1"})
	var all [tokens]Token
	for i := range all {
		all[i] = issue(t, keys, eu1)
	}
	var won [tokens]atomic.Int32
	var wg sync.WaitGroup
	for r := range racers {
		wg.Go(func() {
			if err := v.SetKeys([]Key{seeded(t, byte(2+r)), keys[0]}); err != nil {
				t.Error(err)
			}
			for _, i := range rand.New(rand.NewPCG(uint64(r), 0)).Perm(tokens) {
				p, err := v.Open(all[i].Sealed, time.Now())
				if err == nil {
					err = v.Consume(p, time.Now())
				}
				if err == nil {
					won[i].Add(1)
				} else {
					refused(t, err, "used already")
				}
			}
		})
	}
	wg.Wait()
	for i := range won {
		if n := won[i].Load(); n != 1 {
			t.Errorf("token %d let in %d", i, n)
		}
	}
}

// openAllocs is what one Open allocates for a token of one server: the Pass, the content,
// which the Pass keeps for its Data, the user, and the list of servers with one name.
const openAllocs = 5

func TestOpenAllocates(t *testing.T) {
	keys := []Key{seeded(t, 1)}
	v := verifier(t, Config{Keys: keys, Server: "eu-1"})
	g := eu1
	g.TTL, g.Data = MaxTTL, make([]byte, MaxData)
	tok, now := issue(t, keys, g), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		if _, err := v.Open(tok.Sealed, now); err != nil {
			t.Fatal(err)
		}
	}); n > openAllocs {
		t.Errorf("Open allocates %v times, want at most %d", n, openAllocs)
	}
}

func BenchmarkOpen(b *testing.B) {
	keys := []Key{seeded(b, 1)}
	v := verifier(b, Config{Keys: keys, Server: "eu-1"})
	g := eu1
	g.TTL, g.Data = MaxTTL, make([]byte, MaxData)
	tok, now := issue(b, keys, g), time.Now()
	forged := bytes.Clone(tok.Sealed)
	forged[Size-1] ^= 1
	b.Run("good", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Open(tok.Sealed, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Open(forged, now); err == nil {
				b.Fatal("opened")
			}
		}
	})
	b.Run("bare cipher", func(b *testing.B) { // what the others stand beside
		b.ReportAllocs()
		dst := make([]byte, 0, contentSize)
		for b.Loop() {
			if _, err := keys[0].aead.Open(dst, tok.Sealed[headerSize:headerSize+nonceSize], tok.Sealed[headerSize+nonceSize:], tok.Sealed[:headerSize]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	keys := []Key{seeded(b, 1)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Issue(keys, eu1); err != nil {
			b.Fatal(err)
		}
	}
}
