package conformance

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
)

// The laws of what comes back.
var codecTripLaws = []law[Codec]{
	codecLaw("RoundTrip/Numbers", "Every integer, float and bool comes back as it was: both ends of each type, NaN as a NaN, both infinities; -0 may come back as 0.",
		func(k *codecKit) error {
			err := k.trips(true, false, math.MinInt, math.MaxInt, int8(math.MinInt8), int8(math.MaxInt8), int16(math.MinInt16), int16(math.MaxInt16),
				int32(math.MinInt32), int32(math.MaxInt32), int64(math.MinInt64), int64(math.MaxInt64), int64(1<<53+1), -1, 0, 127, 128, -32, -33, -128, -129,
				uint(math.MaxUint), uint8(math.MaxUint8), uint16(math.MaxUint16), uint32(math.MaxUint32), uint64(math.MaxUint64), uint64(1<<63), uint64(0),
				codecColor(255), codecLevel(-32768), codecRatio(0.1), time.Duration(math.MinInt64), time.Duration(math.MaxInt64), float32(math.MaxFloat32), float32(math.SmallestNonzeroFloat32), float32(math.Inf(-1)), float32(math.NaN()), float32(0.1))
			for _, x := range codecFloats {
				if err == nil {
					err = k.trips(x, float32(x), []float64{x}, map[string]float64{"x": x})
				}
			}
			return err
		}),
	codecLaw("RoundTrip/Text", "Strings and bytes of any length and content come back byte for byte, UTF-8 or not, also as keys of maps.",
		func(k *codecKit) error {
			for _, s := range append(codecStrings, strings.Repeat("ab\x00\xff", 20_000)) {
				if err := k.trips(s, []byte(s), codecTitle(s), codecBlob(s), []string{s, s}, map[string]string{s: s}, map[codecTitle][]byte{codecTitle(s): []byte(s)}, &s); err != nil {
					return err
				}
			}
			return nil
		}),
	codecLaw("RoundTrip/Times", "A time comes back as the same instant, to the nanosecond, from year 1 to 9999; its zone may be lost.",
		func(k *codecKit) error {
			for _, x := range codecTimes {
				if err := k.trips(x, []time.Time{x, {}}, map[string]time.Time{"t": x}, struct{ T *time.Time }{&x}); err != nil {
					return err
				}
			}
			return k.trip(time.Now())
		}),
	codecLaw("RoundTrip/Nothing", "A nil pointer comes back nil and a pointer to a zero value does not; an empty list or map comes back empty or nil, and nil inside an any as nil.",
		func(k *codecKit) error {
			zero, none := 0, ""
			return k.trips((*int)(nil), &zero, (*codecPair)(nil), []*codecPair{nil, {}, nil}, []*int{nil, &zero}, map[string]*string{"nil": nil, "zero": &none},
				struct {
					A, B *codecPair
					C    *int
				}{nil, &codecPair{}, &zero},
				[]int(nil), []int{}, []byte(nil), []byte{}, "", map[string]int(nil), map[string]int{}, [][]int{nil, {}, {0}}, map[int][]byte{0: nil, 1: {}, 2: {0}},
				map[string]any(nil), map[string]any{}, map[string]any{"nil": nil}, []any(nil), []any{}, []any{nil, nil}, struct{}{}, []struct{}{{}, {}}, [0]int{})
		}),
	codecLaw("RoundTrip/Any", "What an any holds comes back as its kind: numbers as numbers of the same value, strings, bytes and times as such, lists as lists, maps as maps, and nil as nil.",
		func(k *codecKit) error {
			all := []any{true, false, 0, -1, int64(math.MinInt64), int64(math.MaxInt64), int64(1<<53 + 1), uint64(math.MaxUint64), uint8(200), 0.5, math.Inf(1), math.NaN(), 1e300, float32(0.25), "", "text", "bad \xff",
				[]byte{}, []byte{0xff, 0}, time.Unix(1, 2).UTC(), time.Second, codecColor(3), codecTitle("t"), []any{}, []any{nil, []any{1}}, map[string]any{}, map[string]any{"": nil, "a": []any{map[string]any{"b": 1}}}}
			for _, v := range append(all, all, map[string]any{"all": all}) {
				if err := k.tripAny(v); err != nil {
					return err
				}
			}
			for range 100 {
				v := reflect.New(codecAny).Elem()
				if codecFill(k.r, v, 4); v.IsNil() {
					continue
				}
				if err := k.tripAny(v.Interface()); err != nil {
					return err
				}
			}
			return k.trips(map[string]any{"all": all}, all, struct{ A, B any }{all, nil})
		}),
	codecLaw("RoundTrip/Generated", "Values of every type that the contract lists, nested and filled by chance, come back as they were.",
		func(k *codecKit) error {
			for _, t := range codecTypes {
				for i := range 25 {
					v := reflect.New(t).Elem()
					if codecFill(k.r, v, i%5); t.Kind() == reflect.Interface {
						continue
					}
					if err := k.trip(v.Interface()); err != nil {
						return err
					}
				}
			}
			return nil
		}),
	codecLaw("RoundTrip/Own", "The values of Codec.Values come back as they were.",
		func(k *codecKit) error {
			if len(k.h.Values) == 0 {
				return skip("Codec.Values is empty")
			}
			return k.trips(k.h.Values...)
		}),
	codecLaw("RoundTrip/Large", "Long values come back whole: 1 MiB of text and of bytes, 70,000 numbers, 3,000 structs and as many entries of a map.",
		func(k *codecKit) error {
			numbers, list, table := make([]int32, 70_000), make([]codecEvery, 60), make(map[string]codecPair)
			pairs := make([]codecPair, 3000)
			for i := range numbers {
				numbers[i] = int32(k.r.Uint32())
			}
			for i := range list {
				v := reflect.ValueOf(&list[i]).Elem()
				codecFill(k.r, v, 3)
			}
			for i := range pairs {
				pairs[i] = codecPair{int16(i), int16(-i)}
				table[fmt.Sprint("key ", i)] = pairs[i]
			}
			return k.trips(strings.Repeat("\x001 MiB ", 1<<20/7), bytes.Repeat([]byte("1 MiB.\n"), 1<<20/7), numbers, list, pairs, table)
		}),
}

// tripAny writes v and reads it back into an any.
func (k *codecKit) tripAny(v any) error {
	b, err := k.encode(v)
	if err != nil {
		return err
	}
	got, err := k.take(b, codecAny)
	if err == nil {
		err = codecSame(reflect.ValueOf(&v).Elem(), got)
	}
	if err != nil {
		return fmt.Errorf("a %T, read into an any: %w", v, err)
	}
	return nil
}

// codecSeeded returns a source of chance that gives the same each time.
func codecSeeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }
