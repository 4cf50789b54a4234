package codec_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
)

// random fills v with a value of its type that comes back as it is, so an any
// holds only what an any decodes to.
func random(r *rand.Rand, v reflect.Value, depth int) {
	t := v.Type()
	switch {
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(r.Uint64())>>r.IntN(40), r.Int64N(1e9)).UTC()))
		return
	case t == reflect.TypeFor[stamp]():
		v.Set(reflect.ValueOf(stamp(time.Unix(r.Int64N(1<<40), 0).UTC())))
		return
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> (64 - t.Bits()) >> r.IntN(t.Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> (64 - t.Bits()) >> r.IntN(t.Bits()))
	case reflect.Float32:
		v.SetFloat(float64(float32(r.NormFloat64())))
	case reflect.Float64:
		v.SetFloat([]float64{r.NormFloat64(), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, 0}[r.IntN(6)])
	case reflect.String:
		v.SetString(string(randomBytes(r)))
	case reflect.Slice:
		if r.IntN(5) == 0 {
			return
		}
		n := 0
		if depth < 5 {
			n = r.IntN(5)
		}
		v.Set(reflect.MakeSlice(t, n, n))
		for i := range n {
			random(r, v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			random(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		if r.IntN(5) == 0 {
			return
		}
		v.Set(reflect.MakeMap(t))
		for range r.IntN(5) {
			key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			random(r, key, depth+1)
			random(r, elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Pointer:
		if depth < 5 && r.IntN(3) > 0 {
			v.Set(reflect.New(t.Elem()))
			random(r, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous && !f.IsExported() {
				v.Field(i).Field(0).SetString(string(randomBytes(r)))
			} else if f.IsExported() && f.Tag == "" {
				random(r, v.Field(i), depth+1)
			}
		}
	case reflect.Interface:
		kinds := []reflect.Type{reflect.TypeFor[int64](), reflect.TypeFor[float64](), reflect.TypeFor[float32](), reflect.TypeFor[string](),
			reflect.TypeFor[bool](), reflect.TypeFor[time.Time](), reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[map[int64]any]()}
		if depth > 5 {
			kinds = kinds[:6]
		}
		x := reflect.New(kinds[r.IntN(len(kinds))]).Elem()
		random(r, x, depth+1)
		switch x.Kind() {
		case reflect.Slice, reflect.Map:
			if x.IsNil() || x.Len() == 0 {
				return // nil, and an empty map of integers, come back as something else
			}
		}
		v.Set(x)
	}
}

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(40))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

var randomTargets = []any{
	new(every), new(node), new(input), new(any), new(map[string]map[int8][]any), new([]map[uint64]every), new([][3]*inner),
	new(map[color]*[2]string), new([4][]byte), new(*int), new(struct {
		A struct{}
		B []struct{}
		C [0]int
		D *struct{ E *string }
	}), new(map[time.Duration]uintptr),
}

func TestRandomValues(t *testing.T) {
	for _, target := range randomTargets {
		typ := reflect.TypeOf(target).Elem()
		for seed := range uint64(150) {
			r := rand.New(rand.NewPCG(seed, 1))
			in, out := reflect.New(typ), reflect.New(typ)
			random(r, in.Elem(), 0)
			random(rand.New(rand.NewPCG(seed, 2)), out.Elem(), 0) // must not show through
			b, err := codec.Msgp{}.Append(nil, in.Interface())
			if err != nil {
				t.Fatalf("%s seed %d: %v", typ, seed, err)
			}
			src := append(append([]byte(nil), b...), 0xc1)
			rest, err := codec.Msgp{}.Decode(src, out.Interface())
			if err != nil || len(rest) != 1 {
				t.Fatalf("%s seed %d: %v, rest %x", typ, seed, err, rest)
			}
			for i := range src {
				src[i] = 0xee // what was decoded must not alias it
			}
			if !reflect.DeepEqual(in.Interface(), out.Interface()) {
				t.Fatalf("%s seed %d:\nin  %+v\nout %+v", typ, seed, in.Elem(), out.Elem())
			}
			again := must(codec.Msgp{}.Append(nil, out.Elem().Interface()))
			if string(again) != string(b) {
				t.Fatalf("%s seed %d: a copy gives other bytes\n%x\n%x", typ, seed, b, again)
			}
		}
	}
}

// TestWhatAppendTakesDecodeTakes grows lists of the values that take the most
// memory for their bytes: a sender must hear of the limit before a peer does.
func TestWhatAppendTakesDecodeTakes(t *testing.T) {
	refused, taken := 0, 0
	wide := map[int16][300]byte{}
	for i := range 40 {
		wide[int16(i)] = [300]byte{}
	}
	for i, unit := range []any{
		map[string]any{}, map[string]any{"": nil}, map[string]any{"x": 1}, map[string]int{"x": 1}, map[int]int{}, map[uint64]int{1 << 63: 0},
		[]any{}, []any{nil}, "", "x", "xy", 1, -500, 1.5, float32(1), []byte{}, []byte{1}, time.Unix(1, 1), nil, true, []string{""}, [2]byte{},
		bulky{}, &bulky{}, []*inner{nil, {}}, struct{}{}, genLoose{}, genWides{List: make([]genWide, 1)}, genVec{}, genNames{"", "", ""},
		inner{1, 2}, [3]int8{}, []int8{1, 2, 3}, map[string][]string{"a": {"b"}}, wide, *sampleSnapshot(3), sampleSnapshot(3).Players,
	} {
		for _, n := range []int{8, 9, 1793} {
			if raced && n != []int{9, 1793}[i%2] {
				continue
			}
			if _, ok := unit.(map[int16][300]byte); ok && n > 9 {
				continue // 21 MB
			}
			typ := reflect.TypeFor[any]()
			if unit != nil {
				typ = reflect.TypeOf(unit)
			}
			typed := reflect.MakeSlice(reflect.SliceOf(typ), n, n)
			mixed := make([]any, n)
			byName := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), typ))
			byNumber := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[uint16](), typ))
			for i := range n {
				if unit != nil {
					typed.Index(i).Set(reflect.ValueOf(unit))
				}
				mixed[i] = unit
				byName.SetMapIndex(reflect.ValueOf(fmt.Sprint(i)), typed.Index(i))
				byNumber.SetMapIndex(reflect.ValueOf(uint16(i)), typed.Index(i))
			}
			for _, v := range []any{typed.Interface(), mixed, byName.Interface(), byNumber.Interface()} {
				b, err := codec.Msgp{}.Append(nil, v)
				if err != nil {
					if !strings.Contains(err.Error(), "a peer would take") {
						t.Fatal(err)
					}
					refused++
					continue
				}
				taken++
				out := reflect.New(reflect.TypeOf(v))
				runtime.ReadMemStats(&memBefore)
				_, err = codec.Msgp{}.Decode(b, out.Interface())
				runtime.ReadMemStats(&memAfter)
				if err != nil {
					t.Errorf("%d of %T: %v", n, v, err)
				}
				if got, most := memAfter.TotalAlloc-memBefore.TotalAlloc, uint64(64<<10+64*len(b)); got > most {
					t.Errorf("%d of %T in %d bytes: %d bytes allocated, at most %d allowed", n, v, len(b), got, most)
				}
			}
		}
	}
	t.Logf("%d taken, %d refused by the sender", taken, refused)
}
