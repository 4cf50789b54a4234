package codec_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
)

func TestScalars(t *testing.T) {
	for _, x := range []struct {
		v    any
		want string // the bytes
	}{
		{true, "\xc3"}, {false, "\xc2"},
		{int8(math.MinInt8), "\xd0\x80"}, {int8(math.MaxInt8), "\x7f"}, {int8(-32), "\xe0"}, {int8(-33), "\xd0\xdf"},
		{int16(math.MinInt16), "\xd1\x80\x00"}, {int16(math.MaxInt16), "\xcd\x7f\xff"},
		{int32(math.MinInt32), "\xd2\x80\x00\x00\x00"}, {int32(math.MaxInt32), "\xce\x7f\xff\xff\xff"},
		{int64(math.MinInt64), "\xd3\x80\x00\x00\x00\x00\x00\x00\x00"}, {int64(math.MaxInt64), "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"},
		{int(200), "\xcc\xc8"}, {uint(200), "\xcc\xc8"}, {uint8(math.MaxUint8), "\xcc\xff"}, {uint16(math.MaxUint16), "\xcd\xff\xff"},
		{uint32(math.MaxUint32), "\xce\xff\xff\xff\xff"}, {uint64(math.MaxUint64), "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"}, {uint64(0), "\x00"},
		{float32(1.5), "\xca\x3f\xc0\x00\x00"}, {math.MaxFloat32, "\xcb\x47\xef\xff\xff\xe0\x00\x00\x00"},
		{math.Inf(1), "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"}, {math.Inf(-1), "\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"},
		{math.Copysign(0, -1), "\xcb\x80\x00\x00\x00\x00\x00\x00\x00"}, {float32(math.SmallestNonzeroFloat32), "\xca\x00\x00\x00\x01"},
		{"", "\xa0"}, {"a\xff\xfe", "\xa3a\xff\xfe"}, {[]byte{}, "\xc4\x00"}, {[]byte(nil), "\xc0"}, {[]byte("x"), "\xc4\x01x"}, {[2]byte{1, 2}, "\xc4\x02\x01\x02"},
		{[]int(nil), "\xc0"}, {[]int{}, "\x90"}, {map[string]int(nil), "\xc0"}, {map[string]int{}, "\x80"}, {(*int)(nil), "\xc0"}, {struct{}{}, "\x90"},
		{map[int8]bool{1: true, -1: false, 100: true}, "\x83\xff\xc2\x01\xc3\x64\xc3"}, {map[string]int{"b": 2, "a": 1, "": 0}, "\x83\xa0\x00\xa1a\x01\xa1b\x02"},
		{time.Duration(-1), "\xff"}, {time.Time{}, "\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xf1\x88\x6e\x09\x00"}, {time.Unix(1, 0).UTC(), "\xd6\xff\x00\x00\x00\x01"},
		{inner{1, -1}, "\x92\x01\xff"},
	} {
		b, err := codec.Msgp{}.Append(nil, x.v)
		if err != nil || string(b) != x.want {
			t.Errorf("%T %v: %x, want %x, %v", x.v, x.v, b, x.want, err)
		}
		out := reflect.New(reflect.TypeOf(x.v))
		random(rand.New(rand.NewPCG(1, 1)), out.Elem(), 0)
		if _, err := (codec.Msgp{}).Decode(b, out.Interface()); err != nil || !reflect.DeepEqual(out.Elem().Interface(), x.v) {
			t.Errorf("%T %v came back as %v: %v", x.v, x.v, out.Elem(), err)
		}
	}
}

func TestNaN(t *testing.T) {
	var first string
	for _, bits := range []uint64{0x7ff8000000000001, 0xfff8000000000000, 0x7ff0000000000001, math.MaxUint64} {
		in := struct {
			F float64
			A any
			G float32
		}{math.Float64frombits(bits), math.Float64frombits(bits), float32(math.Float64frombits(bits))}
		b := must(codec.Msgp{}.Append(nil, in))
		if first == "" {
			first = string(b)
		}
		out := in
		if _, err := (codec.Msgp{}).Decode(b, &out); err != nil || string(b) != first || out.F == out.F || out.G == out.G {
			t.Errorf("%x: %x, %v, %v", bits, b, out, err)
		}
	}
}

// TestTimes checks that zone and monotonic clock stay behind.
func TestTimes(t *testing.T) {
	now := time.Now()
	b := must(codec.Msgp{}.Append(nil, now))
	if other := must(codec.Msgp{}.Append(nil, now.In(time.FixedZone("x", 3600)))); !bytes.Equal(b, other) {
		t.Error("equal instants give other bytes")
	}
	var out time.Time
	if _, err := (codec.Msgp{}).Decode(b, &out); err != nil || !out.Equal(now) || out.Location() != time.UTC {
		t.Errorf("%v came back as %v, %v", now, out, err)
	}
}

func TestWhatComesBackInAny(t *testing.T) {
	for _, x := range []struct{ in, out any }{
		{int8(1), int64(1)}, {uint8(200), int64(200)}, {uint64(1 << 63), uint64(1 << 63)}, {time.Second, int64(time.Second)}, {color(3), int64(3)},
		{float32(1), float32(1)}, {2.0, 2.0}, {[2]byte{1, 2}, []byte{1, 2}}, {inner{1, 2}, []any{int64(1), int64(2)}}, {&inner{1, 2}, []any{int64(1), int64(2)}},
		{[]int{1}, []any{int64(1)}}, {map[string]string{"a": "b"}, map[string]any{"a": "b"}}, {map[color]int{1: 2}, map[int64]any{1: int64(2)}},
		{map[uint64]int{1 << 63: 2, 1: 1}, map[uint64]any{1 << 63: int64(2), 1: int64(1)}}, {map[int]int{}, map[string]any{}},
		{[]byte(nil), nil}, {(*inner)(nil), nil}, {[]any{}, []any{}}, {[]string(nil), nil}, {stamp(time.Unix(1, 0)), time.Unix(1, 0).UTC()},
	} {
		var out any
		if _, err := (codec.Msgp{}).Decode(must(codec.Msgp{}.Append(nil, []any{x.in, 1})), &out); err != nil || !reflect.DeepEqual(out.([]any)[0], x.out) {
			t.Errorf("%T %v came back as %T %v, want %T: %v", x.in, x.in, out, out, x.out, err)
		}
	}
}

// TestOrderOfMaps writes equal maps that were filled in many orders.
func TestOrderOfMaps(t *testing.T) {
	var first string
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		s, i, a, u := map[string]int{}, map[int64][]string{}, map[string]any{}, map[uint64]map[string]int{}
		for _, k := range r.Perm(300) {
			key := fmt.Sprint(k)
			s[key], i[int64(k-150)], a[key], u[uint64(k)<<55] = k, []string{key}, map[string]any{"x": k, "y": key}, map[string]int{"p": 1, "q": 2, "r": 3}
		}
		b := must(codec.Msgp{}.Append(nil, []any{s, i, a, u}))
		b = must(codec.Msgp{}.Append(b, struct {
			S map[string]int
			I map[int64][]string
			U map[uint64]map[string]int
		}{s, i, u}))
		if first == "" {
			first = string(b)
		}
		if string(b) != first {
			t.Fatalf("seed %d: other bytes", seed)
		}
	}
}

func TestAppendDoesNotAlias(t *testing.T) {
	in := every{B: []byte("bytes"), List: []inner{{1, 2}}}
	b := must(codec.Msgp{}.Append(nil, &in))
	keep := bytes.Clone(b)
	in.B[0], in.List[0].A = 'X', 9
	if !bytes.Equal(b, keep) {
		t.Error("bytes changed with the value")
	}
}

// TestDecodeLeavesSourceAlone also gives src room behind its end.
func TestDecodeLeavesSourceAlone(t *testing.T) {
	for name, msg := range corpus() {
		room := append(bytes.Clone(msg), "room"...)
		for _, target := range hostileTargets {
			v := reflect.New(reflect.TypeOf(target).Elem()).Interface()
			_, _ = codec.Msgp{}.Decode(room[:len(msg)], v)
			if !bytes.Equal(room, append(bytes.Clone(msg), "room"...)) {
				t.Fatalf("%s into %T: src was written to", name, v)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	type fresh struct { // no plan of it exists yet
		E every
		N *node
		M map[string]fresh2
	}
	var wg sync.WaitGroup
	in := fresh{E: full(), N: &node{V: 1}, M: map[string]fresh2{"a": {L: []fresh2{{}}}}}
	for range 16 {
		wg.Go(func() {
			for range 50 {
				var out fresh
				b, err := codec.Msgp{}.Append(nil, in)
				if err == nil {
					_, err = codec.Msgp{}.Decode(b, &out)
				}
				if err != nil || !reflect.DeepEqual(in, out) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

type fresh2 struct{ L []fresh2 }

func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 4096)
	boxed := any(*plainInput)
	for name, v := range map[string]any{"pointer": plainInput, "value": boxed, "methods": methodInput, "int": 7, "list": make([]inner, 9)} {
		if n := testing.AllocsPerRun(100, func() { must(codec.Msgp{}.Append(buf, v)) }); n != 0 {
			t.Errorf("Append of %s: %v allocations", name, n)
		}
	}
	src := must(codec.Msgp{}.Append(nil, plainInput))
	var out input
	if n := testing.AllocsPerRun(100, func() { _, _ = codec.Msgp{}.Decode(src, &out) }); n != 1 {
		t.Errorf("Decode: %v allocations, want that of the string", n)
	}
}
