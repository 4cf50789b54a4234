package plain

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

type (
	name   string
	octet  byte
	stamp  time.Time
	inner  struct{ A, B int8 }
	hidden struct{ N int }
	whole  struct {
		Bool  bool
		Int   int16
		Dur   time.Duration
		Uint  uint64
		F32   float32
		F64   float64
		Name  name
		At    time.Time
		Named stamp
		Bytes []byte
		Octet []octet
		Hash  [4]octet
		List  []inner
		Pair  [2]string
		ByKey map[name]inner
		ByNo  map[int8]string
		ByUno map[uint8]bool
		Ptr   *inner
		Any   any
		inner
		hidden
		Home string `parley:"-"`
		_    int
		tiny int
	}
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestOf holds what each kind of Go value becomes, and that Set makes the same of it
// again.
func TestOf(t *testing.T) {
	noon := at("2024-02-29T12:00:00.123456789Z")
	for _, c := range []struct{ value, want any }{
		{true, true}, {int8(-3), int64(-3)}, {math.MinInt64, int64(math.MinInt64)}, {time.Second, int64(1e9)},
		{uint8(3), uint64(3)}, {uint64(math.MaxUint64), uint64(math.MaxUint64)}, {float32(0.1), float64(float32(0.1))}, {math.Inf(-1), math.Inf(-1)},
		{"héllo", "héllo"}, {name("x"), "x"}, {"a\xff", []byte("a\xff")}, {"a\x00", []byte("a\x00")},
		{noon, noon}, {stamp(noon), noon}, {noon.In(time.FixedZone("far", 3600)), noon},
		{[]byte{1, 2}, []byte{1, 2}}, {[]byte{}, []byte{}}, {[]byte(nil), nil}, {[3]octet{1, 2, 3}, []byte{1, 2, 3}}, {[0]byte{}, []byte{}},
		{[]inner{{1, 2}}, []any{map[string]any{"A": int64(1), "B": int64(2)}}}, {[]int(nil), nil}, {[]int{}, []any{}}, {[2]bool{true}, []any{true, false}},
		{map[name]int{"a": 1}, map[string]any{"a": int64(1)}}, {map[int8]int{-5: 1}, map[string]any{"-5": int64(1)}}, {map[uint8]int{200: 1}, map[string]any{"200": int64(1)}},
		{map[string]int(nil), nil}, {map[string]int{}, map[string]any{}},
		{&inner{1, 2}, map[string]any{"A": int64(1), "B": int64(2)}}, {(*inner)(nil), nil}, {struct{}{}, map[string]any{}},
		{struct{ V any }{int64(5)}, map[string]any{"V": int64(5)}},
	} {
		got, err := Of(reflect.ValueOf(c.value))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%T %v became %T %v (%v), want %T %v", c.value, c.value, got, got, err, c.want, c.want)
			continue
		}
		back := reflect.New(reflect.TypeOf(c.value))
		if err := Set(back.Elem(), got); err != nil {
			t.Errorf("%T %v does not come back: %v", c.value, c.value, err)
		}
		if x, ok := c.value.(time.Time); ok {
			c.value = x.UTC()
		}
		if !reflect.DeepEqual(back.Elem().Interface(), c.value) {
			t.Errorf("%T %v came back as %v", c.value, c.value, back.Elem())
		}
	}
	if x, err := Of(reflect.Value{}); x != nil || err != nil {
		t.Errorf("no value became %v, %v", x, err)
	}
}

// TestThereAndBack holds that whatever a struct holds comes back, but for what does
// not travel, and shares no memory on either way.
func TestThereAndBack(t *testing.T) {
	for seed := range uint64(500) {
		want := randomWhole(rand.New(rand.NewPCG(seed, 1)))
		x, err := Of(reflect.ValueOf(want))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		clone := Clone(x)
		if !reflect.DeepEqual(clone, x) {
			t.Fatalf("seed %d: a clone of %v is %v", seed, x, clone)
		}
		var got whole
		if err := Set(reflect.ValueOf(&got).Elem(), clone); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		spoil(clone)
		again, err := Of(reflect.ValueOf(want))
		if err != nil || !reflect.DeepEqual(again, x) {
			t.Fatalf("seed %d: spoiling a clone changed the value to %v (%v)", seed, again, err)
		}
		want.Home, want.tiny = "", 0
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\n%+v came back as\n%+v", seed, want, got)
		}
	}
}

// spoil changes all memory that x holds.
func spoil(x any) {
	switch x := x.(type) {
	case []byte:
		for i := range x {
			x[i]++
		}
	case []any:
		for i := range x {
			spoil(x[i])
			x[i] = "spoilt"
		}
	case map[string]any:
		for k, v := range x {
			spoil(v)
			x[k] = "spoilt"
		}
	}
}

func randomWhole(r *rand.Rand) whole {
	text := func() string { return []string{"", "x", "a\xff", "zero\x00", strings.Repeat("long", 50)}[r.IntN(5)] }
	in := func() inner { return inner{int8(r.Uint32()), int8(r.Uint32())} }
	w := whole{
		Bool: r.IntN(2) == 0, Int: int16(r.Uint32()), Dur: time.Duration(r.Uint64()), Uint: r.Uint64(), F32: float32(r.NormFloat64()), F64: r.NormFloat64(),
		Name: name(text()), At: time.Unix(r.Int64N(1<<40), r.Int64N(1e9)).UTC(), Named: stamp(time.Unix(r.Int64N(1<<40), 0).UTC()),
		Hash: [4]octet{octet(r.Uint32())}, Pair: [2]string{text(), text()}, inner: in(), hidden: hidden{r.Int()}, Home: "here", tiny: 1,
	}
	for range r.IntN(3) {
		w.Bytes = append(w.Bytes, byte(r.Uint32()))
		w.Octet = append(w.Octet, octet(r.Uint32()))
		w.List = append(w.List, in())
	}
	if r.IntN(2) == 0 {
		in := in()
		w.Ptr = &in
		w.ByKey = map[name]inner{"a": in, name(fmt.Sprint(r.IntN(9))): {}}
		w.ByNo = map[int8]string{int8(r.Uint32()): text(), 0: "zero"}
		w.ByUno = map[uint8]bool{uint8(r.Uint32()): true}
	}
	w.Any = []any{nil, true, r.Int64(), r.Uint64(), 1.5, "text", []byte{1}, w.At, []any{int64(1)}, map[string]any{"a": "b"}}[r.IntN(10)]
	return w
}

// TestNotExact holds that what would not come back as it was is refused, in words.
func TestNotExact(t *testing.T) {
	if _, err := Of(reflect.ValueOf(math.NaN())); err != nil {
		t.Error(err)
	}
	var f32 float32
	if err := Set(reflect.ValueOf(&f32).Elem(), math.NaN()); err != nil || f32 == f32 {
		t.Errorf("NaN came back as %v: %v", f32, err)
	}
	self := []any{nil}
	self[0] = self
	type ring struct{ Next *ring }
	round := &ring{}
	round.Next = round
	for _, c := range []struct {
		v   any
		err string
	}{
		{make(chan int), "a chan int is no value that a store can hold"},
		{uintptr(1), "a uintptr is no value"},
		{[]any{1, complex(1, 2)}, "[1]: a complex128 is no value"},
		{struct{ F func() }{func() {}}, "F: a func() is no value"},
		{map[string]any{"a": func() {}}, `["a"]: a func() is no value`},
		{map[float64]int{1: 1}, "a float64 is no key"},
		{map[string]int{"a\x00": 1}, `the key "a\x00" is no text`},
		{struct{ n int }{1}, "exports no field"},
		{self, "nested deeper"},
		{round, "nested deeper"},
	} {
		if x, err := Of(reflect.ValueOf(c.v)); err == nil || !strings.Contains(err.Error(), c.err) || !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("%T became %v, %v; want %q", c.v, x, err, c.err)
		}
	}
	deep := any(int64(1))
	for range maxDepth + 2 {
		deep = []any{deep}
	}
	type rec []rec
	for _, c := range []struct {
		dst any // a pointer
		x   any
		err string
	}{
		{new(int8), int64(128), "want int8, found the int64 128"},
		{new(int), uint64(1), "want int, found the uint64 1"},
		{new(int), 1.0, "want int, found the float64 1"},
		{new(int), nil, "want int, found nothing"},
		{new(uint8), int64(1), "want uint8, found the int64 1"},
		{new(uint8), uint64(256), "want uint8"},
		{new(uintptr), uint64(1), "want uintptr"},
		{new(float32), 0.1, "want float32, found the float64 0.1"},
		{new(float64), int64(1), "want float64"},
		{new(bool), "true", `want bool, found the text "true"`},
		{new(string), int64(1), "want string"},
		{new(string), []byte("text"), "want string, found 4 bytes"},
		{new(time.Time), "now", "want time.Time"},
		{new(time.Time), map[string]any{}, "want time.Time, found a map of 0"},
		{new(int), time.Time{}, "want int, found the time.Time 0001"},
		{new([]byte), []any{int64(1)}, "want []uint8, found a list of 1"},
		{new([2]byte), []byte{1}, "want [2]uint8, found 1 bytes"},
		{new([2]int), []any{int64(1)}, "want [2]int, found a list of 1"},
		{new([]int), []any{int64(1), "x"}, `[1]: want int, found the text "x"`},
		{new([]int), []byte{}, "want []int"},
		{new(map[string]int), map[string]any{"a": "x"}, `["a"]: want int`},
		{new(map[int8]int), map[string]any{"200": int64(1)}, `the key "200" is no int8`},
		{new(map[uint8]int), map[string]any{"-1": int64(1)}, `the key "-1" is no uint8`},
		{new(map[float64]int), map[string]any{"1": int64(1)}, `the key "1" is no float64`},
		{new(map[string]int), []any{}, "want map[string]int"},
		{new(inner), map[string]any{"A": int64(1)}, "B of plain.inner is missing"},
		{new(inner), map[string]any{"A": int64(1), "B": int64(1), "C": nil}, "plain.inner has no field C"},
		{new(inner), map[string]any{"A": int64(1), "B": 1.5}, "B: want int8, found the float64 1.5"},
		{new(*inner), map[string]any{}, "A of plain.inner is missing"},
		{new(error), "text", "want error"},
		{new(chan int), nil, "want chan int, found nothing"},
		{new(rec), deep, "nested deeper"},
	} {
		if err := Set(reflect.ValueOf(c.dst).Elem(), c.x); err == nil || !strings.Contains(err.Error(), c.err) || !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%T was set to %v: %v; want %q", c.dst, c.x, err, c.err)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{"": "", "héllo": "héllo", "a\xffb\xfe\xfd": "a�b�", "\x00": "�"} {
		if got := Text(in); got != want || !IsText(got) || IsText(in) != (in == want) {
			t.Errorf("%q became %q, want %q; text: %v", in, got, want, IsText(in))
		}
	}
}

// FuzzSet holds that no value that a store comes with does harm.
func FuzzSet(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		x, err := Of(reflect.ValueOf(randomWhole(r)))
		if err != nil {
			t.Fatal(err)
		}
		m := x.(map[string]any)
		for k := range m {
			if r.IntN(8) == 0 {
				m[k] = m[[]string{"Bool", "Int", "Name", "Bytes", "List", "ByKey", "At", "Ptr"}[r.IntN(8)]]
			}
		}
		var got whole
		if err := Set(reflect.ValueOf(&got).Elem(), m); err != nil {
			if !errors.Is(err, core.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		if back, err := Of(reflect.ValueOf(got)); err != nil || !reflect.DeepEqual(back, any(m)) {
			t.Errorf("%v was taken, and is %v (%v)", m, back, err)
		}
	})
}
