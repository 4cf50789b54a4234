package state

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("state.seed", 0, "run the property tests with this seed only")
	seedsFlag = flag.Int("state.seeds", 0, "run the property tests with this many seeds instead of a few")
)

// forSeeds runs a property test once per seed, each of which replays by
// -state.seed.
func forSeeds(t *testing.T, few int, test func(t *testing.T, r *rand.Rand)) {
	if *seedsFlag > 0 {
		few = *seedsFlag
	}
	seeds := make([]uint64, few)
	for i := range seeds {
		seeds[i] = uint64(i) + 1
	}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			defer func() {
				if t.Failed() {
					t.Logf("replay with -state.seed=%d", seed)
				}
			}()
			test(t, rand.New(rand.NewPCG(seed, 2)))
		})
	}
}

func TestReplicasConverge(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.25, 0.6} {
		t.Run(fmt.Sprintf("loss=%v", loss), func(t *testing.T) {
			forSeeds(t, 4, func(t *testing.T, r *rand.Rand) {
				w := newTestWorld(t)
				s := NewSender(w, 4+r.IntN(30))
				var links []*link
				players := PlayerID(0)
				join := func() {
					players++
					l := newLink(t, s, players, r, loss)
					l.far = r.IntN(8)
					l.budget = []int{100, 2000, 30000}[r.IntN(3)]
					l.max = MinPacket + r.IntN(400)
					watch(t, l)
					links = append(links, l)
				}
				join()
				for range 45 {
					for range r.IntN(4) {
						w.Advance(33 * time.Millisecond)
						for range r.IntN(20) {
							mutate(w, r, 150)
						}
					}
					if r.IntN(8) == 0 && len(links) < 4 {
						join()
					}
					if r.IntN(20) == 0 && len(links) > 1 {
						links = slices.Delete(links, 0, 1)
					}
					s.Capture()
					for _, l := range links {
						l.update()
					}
					if r.IntN(10) == 0 {
						checkIndex(t, w)
					}
				}
				for e := range w.Objects() { // Advance(0) moves nothing, but stops at nothing too
					if m, ok := e.(*mover); ok {
						m.Pos.SetVelocity(0, 0)
					}
				}
				join()
				settle(t, s, links, 2000)
				checkIndex(t, w)
				for i, l := range links {
					checkIndex(t, l.rep.w)
					if d := difference(dump(w), dump(l.rep.w)); d != "" {
						t.Errorf("replica %d: %s", i, d)
					}
					if n, err := l.rep.Faults(); n > 0 {
						t.Errorf("replica %d: %d faults, such as %v", i, n, err)
					}
					checkSizes(t, l.rep)
				}
			})
		})
	}
}

// checkSizes fails if the replica's accounts are wrong.
func checkSizes(t *testing.T, r *Replica) {
	t.Helper()
	size, held := 0, 0
	for _, k := range r.chunks {
		if k == nil {
			continue
		}
		for _, s := range k.states {
			size += 8 * cap(s.vals)
		}
		for i := range k.rows {
			size += k.class.rowSize()
			for _, s := range k.rows[i].slots {
				size += s.size
			}
		}
	}
	for _, v := range r.values {
		held += len(v.bytes) + heldOverhead
	}
	if size != r.size || held != r.held {
		t.Errorf("the replica takes %d bytes and holds %d, and counts %d and %d", size, held, r.size, r.held)
	}
	if n := len(r.where); n != r.w.Len() {
		t.Errorf("%d rows name objects, %d are alive", n, r.w.Len())
	}
}

// watch has each change of a link's replica compared with the hooks that it runs.
func watch(t *testing.T, l *link) {
	w := l.rep.w
	var got []string
	var lens []int
	see := func(format string, args ...any) {
		got = append(got, fmt.Sprintf(format, args...))
		lens = append(lens, w.Len())
	}
	w.OnSpawn(func(e Entity) {
		o := e.base()
		see("spawn %s", objectText(o))
		o.OnOwner(func(old, new PlayerID) { see("%s owner %d → %d", o, old, new) })
		hook := func(name string) func(old, new any) {
			return func(old, new any) { see("%s %s %s → %s", o, name, text(old), text(new)) }
		}
		switch x := e.(type) {
		case *thing:
			hookVar(&x.Int, hook)
			hookVar(&x.Float, hook)
			hookVar(&x.Fine, hook)
			hookVar(&x.Coarse, hook)
			hookVar(&x.Friend, hook)
			hookVar(&x.Label, hook)
			hookVar(&x.Stats, hook)
			hookVar(&x.Map, hook)
		case *mover:
			hookVar(&x.HP, hook)
		case *fat:
			hookVar(&x.Data, hook)
			hookVar(&x.More, hook)
		case *tiny:
			hookVar(&x.On, hook)
		}
	})
	w.OnDespawn(func(e Entity) {
		if e.base().IsAlive() || w.Object(e.base().id) != nil {
			t.Errorf("%s is alive in its despawn hook", e.base())
		}
		see("despawn %s", e.base())
	})
	type was struct {
		owner PlayerID
		vars  map[string]string
	}
	snap := func() map[*Object]was {
		m := make(map[*Object]was)
		for e := range w.Objects() {
			o := e.base()
			s := was{o.owner, map[string]string{}}
			for i, f := range o.fields {
				if hooked(f) {
					s.vars[o.class.fields[i].name] = fieldText(f)
				}
			}
			m[o] = s
		}
		return m
	}
	l.check = func(fn func()) {
		before := snap()
		got, lens = got[:0], lens[:0]
		fn()
		after := snap()
		var want []string
		for o, b := range before {
			a, ok := after[o]
			if !ok {
				want = append(want, fmt.Sprintf("despawn %s", o))
				continue
			}
			if a.owner != b.owner {
				want = append(want, fmt.Sprintf("%s owner %d → %d", o, b.owner, a.owner))
			}
			for name, old := range b.vars {
				if now := a.vars[name]; now != old {
					want = append(want, fmt.Sprintf("%s %s %s → %s", o, name, old, now))
				}
			}
		}
		for o := range after {
			if _, ok := before[o]; !ok {
				want = append(want, "spawn "+objectText(o))
			}
		}
		sorted := slices.Sorted(slices.Values(got))
		slices.Sort(want)
		if !slices.Equal(sorted, want) {
			t.Fatalf("hooks ran for\n  %.2000q\nand things differ by\n  %.2000q", sorted, want)
		}
		for _, n := range lens {
			if n != w.Len() {
				t.Fatalf("a hook saw %d objects, and there are %d", n, w.Len())
			}
		}
	}
}

func hooked(f field) bool {
	switch v := f.(type) {
	case *Var[int]:
		return len(v.hooks) > 0
	case *Var[float64]:
		return len(v.hooks) > 0
	case *Var[ratio]:
		return len(v.hooks) > 0
	case *Var[Ref[*thing]]:
		return len(v.hooks) > 0
	case *Var[label]:
		return len(v.hooks) > 0
	case *Var[stats]:
		return len(v.hooks) > 0
	case *Var[map[string]int]:
		return len(v.hooks) > 0
	case *Var[int32]:
		return len(v.hooks) > 0
	case *Var[[]byte]:
		return len(v.hooks) > 0
	case *Var[string]:
		return len(v.hooks) > 0
	case *Var[bool]:
		return len(v.hooks) > 0
	}
	return false
}

func hookVar[T any](v *Var[T], hook func(name string) func(old, new any)) {
	fn := hook(v.def.name)
	v.OnChange(func(old, new T) { fn(old, new) })
}
