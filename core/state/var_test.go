package state

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
)

func TestVar(t *testing.T) {
	w := newTestWorld(t)
	x := &thing{Int: NewVar(5), Label: NewVar(label("a"))}
	var log []string
	x.Int.OnChange(func(old, new int) { log = append(log, fmt.Sprint(old, new)) })
	x.Label.OnChange(func(old, new label) { log = append(log, fmt.Sprintf("%q %q", old, new)) })
	x.Int.Set(6) // before the spawn: here only
	Spawn(w, x)
	x.Int.Set(6)
	x.Int.Set(7)
	x.Label.Set("a")
	x.Label.Set("b")
	if want := []string{"6 7", `"a" "b"`}; !slices.Equal(log, want) {
		t.Errorf("hooks: %q, want %q", log, want)
	}
	if x.Int.Get() != 7 || x.Int.String() != "7" || fmt.Sprint(&x.Label) != "b" {
		t.Errorf("values: %v %v", x.Int.Get(), x.Label.Get())
	}
}

// A hook that sets anew does not make the others see a change twice.
func TestSetInHook(t *testing.T) {
	w := newTestWorld(t)
	x := Spawn(w, &thing{})
	var log []string
	x.Int.OnChange(func(old, new int) {
		log = append(log, fmt.Sprint("first ", old, new))
		if new < 3 {
			x.Int.Set(new + 1)
		}
	})
	x.Int.OnChange(func(old, new int) { log = append(log, fmt.Sprint("second ", old, new)) })
	x.Int.Set(1)
	slices.Sort(log)
	want := []string{"first 0 1", "first 1 2", "first 2 3", "second 0 1", "second 1 2", "second 2 3"}
	if x.Int.Get() != 3 || !slices.Equal(log, want) {
		t.Errorf("%d, hooks %q", x.Int.Get(), log)
	}
}

func TestSetRefuses(t *testing.T) {
	type holder struct {
		Object
		Any  Var[any]
		Text Var[string]
	}
	w := mustWorld(t, NewSchema(Class[holder]()))
	x := Spawn(w, &holder{Any: NewVar[any](int64(1)), Text: NewVar("old")})
	x.Any.OnChange(func(old, new any) { t.Error("a hook ran") })
	x.Text.OnChange(func(old, new string) { t.Error("a hook ran") })
	for _, c := range []struct {
		field string
		do    func()
		is    error
	}{
		{"holder.Any", func() { x.Any.Set(make(chan int)) }, core.ErrUnsupported},
		{"holder.Text", func() { x.Text.Set(strings.Repeat("x", MaxValue)) }, core.ErrTooLarge},
	} {
		err, _ := panics(c.do).(error)
		if v, ok := errors.AsType[*ValueError](err); !ok || v.Field != c.field || !errors.Is(err, c.is) {
			t.Errorf("%s: panic %v", c.field, err)
		}
	}
	if x.Any.Get() != int64(1) || x.Text.Get() != "old" {
		t.Errorf("a refused value stays: %v %.20q", x.Any.Get(), x.Text.Get())
	}
	x.Text.hooks = nil
	x.Text.Set(strings.Repeat("x", MaxValue-10))
	s := NewSender(w, 10)
	r, err := NewReplica(w.schema, w.codec, 1)
	if err != nil {
		t.Fatal(err)
	}
	l := &link{t: t, v: s.NewViewer(), rep: r, rnd: newRand(1), max: 1200, budget: 1 << 20}
	settle(t, s, []*link{l}, 50)
	if y, _ := Get[*holder](r.w, x.ID()); y == nil || y.Text.Get() != x.Text.Get() {
		t.Error("the longest value did not arrive")
	}
	panicsWith[*AuthorityError](t, "Set on a client", func() { y, _ := Get[*holder](r.w, x.ID()); y.Text.Set("mine") })
	y, _ := Get[*holder](r.w, x.ID())
	if err := panics(func() { y.Text.Set("mine") }).(error).Error(); !strings.Contains(err, "Var.Set of holder.Text on holder 1") {
		t.Errorf("the message is %q", err)
	}
}

func TestQuantum(t *testing.T) {
	w := newTestWorld(t)
	x := Spawn(w, &thing{})
	for _, c := range []struct{ set, want float64 }{
		{0.014, 0.01}, {0.016, 0.02}, {-0.016, -0.02}, {1234.5678, 123457 * 0.01}, {0.001, 0}, {-0.001, 0},
		{math.NaN(), 0}, {math.Inf(1), maxSteps * 0.01}, {math.Inf(-1), -maxSteps * 0.01}, {1e300, maxSteps * 0.01},
		{math.Copysign(0, -1), 0},
	} {
		x.Fine.Set(c.set)
		if got := x.Fine.Get(); got != c.want || math.Signbit(got) != (c.want < 0) {
			t.Errorf("Set(%v) with a quantum of 0.01: %v, want %v", c.set, got, c.want)
		}
		x.Coarse.Set(ratio(c.set))
		r := newTestReplica(t, 1)
		r.apply1(t, w)
		y, _ := Get[*thing](r.w, x.ID())
		if y.Fine.Get() != x.Fine.Get() || y.Coarse.Get() != x.Coarse.Get() {
			t.Errorf("Set(%v): %v and %v arrive as %v and %v", c.set, x.Fine.Get(), x.Coarse.Get(), y.Fine.Get(), y.Coarse.Get())
		}
	}
	// What is near travels in few bytes.
	s := NewSender(w, 10)
	s.at = uint32(w.tick)
	x.Fine.Set(5)
	s.Capture()
	base := s.at
	x.Fine.Set(5.03)
	s.Capture()
	if b := s.block(x.chunk, base); len(b) > 10 {
		t.Errorf("a step of 0.03 takes %d bytes", len(b))
	}
}

func TestNaN(t *testing.T) {
	w := newTestWorld(t)
	x := Spawn(w, &thing{})
	n := 0
	x.Float.OnChange(func(old, new float64) { n++ })
	x.Float.Set(math.NaN())
	x.Float.Set(math.NaN())
	if n != 1 {
		t.Errorf("%d changes, want 1: NaN is as NaN was", n)
	}
}

func TestSetAllocatesNothing(t *testing.T) {
	w := newTestWorld(t)
	x := Spawn(w, &thing{})
	i := 0
	for name, set := range map[string]func(){
		"int":     func() { x.Int.Set(i) },
		"uint8":   func() { x.Kind.Set(kind(i)) },
		"float":   func() { x.Float.Set(float64(i)) },
		"ratio":   func() { x.Ratio.Set(ratio(i)) },
		"quantum": func() { x.Coarse.Set(ratio(i)) },
		"ref":     func() { x.Friend.Set(Ref[*thing]{ObjectID(i)}) },
		"string":  func() { x.Label.Set([2]label{"one", "two"}[i%2]) },
	} {
		if n := testing.AllocsPerRun(100, func() { i++; set() }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestRef(t *testing.T) {
	w := newTestWorld(t)
	a := Spawn(w, &thing{})
	b := Spawn(w, &tiny{})
	if r := RefTo(a); r.ID != a.ID() {
		t.Error("RefTo refers to something else")
	}
	if r := RefTo[*thing](nil); r.ID != 0 {
		t.Error("RefTo(nil) refers to something")
	}
	if r := RefTo(&thing{}); r.ID != 0 {
		t.Error("RefTo an object that was not spawned refers to something")
	}
	if got, ok := RefTo(a).Get(w); !ok || got != a {
		t.Errorf("%v, %v", got, ok)
	}
	if got, ok := (Ref[*thing]{b.ID()}).Get(w); ok || got != nil {
		t.Errorf("a reference to another class: %v, %v", got, ok)
	}
	if got, ok := (Ref[Entity]{b.ID()}).Get(w); !ok || got != Entity(b) {
		t.Errorf("a reference to any class: %v, %v", got, ok)
	}
	a.Despawn()
	if _, ok := RefTo(a).Get(w); ok {
		t.Error("a reference to what went away finds it")
	}
}

// A copy of an object's Var refuses to be set: it would change nothing but itself.
func TestVarCopy(t *testing.T) {
	w := mustWorld(t, NewSchema(Class[copied]()))
	g := Spawn(w, &copied{Gold: NewVar(1)})
	gold := g.Gold
	defer func() {
		if err, ok := recover().(*ValueError); !ok || err.Field != "copied.Gold" {
			t.Errorf("Set on a copy: %v", err)
		}
		if g.Gold.Get() != 1 || fmt.Sprint(g.Gold) != "1" {
			t.Errorf("the original holds %v", g.Gold)
		}
	}()
	gold.Set(2)
}

type copied struct {
	Object
	Gold Var[int]
}
