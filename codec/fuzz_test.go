package codec_test

import (
	"reflect"
	"testing"

	"github.com/parley-net/parley/codec"
)

func seeds(f *testing.F) {
	for _, msg := range corpus() {
		f.Add(msg)
	}
	for _, s := range []string{"", "\xc1", "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff",
		"\xc9\xff\xff\xff\xff\x05", "\x91\x91\x91\x91\x91", "\x82\xa1a\x01\xa1a\x02", "\x82\x01\x01\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x02"} {
		f.Add([]byte(s))
	}
}

func fuzz(f *testing.F, targets ...any) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, target := range targets {
			try(t, b, reflect.New(reflect.TypeOf(target).Elem()).Interface(), true)
		}
	})
}

func FuzzDecodeAny(f *testing.F) { fuzz(f, new(any), new([]any), new(map[string]any)) }

func FuzzDecodeStruct(f *testing.F) { fuzz(f, new(every), new(node), new(input)) }

func FuzzDecodeMap(f *testing.F) {
	fuzz(f, new(map[string]map[int8]string), new(map[uint64]any), new([]map[string]string), new(map[int16][300]byte))
}

func FuzzDecodeGenerated(f *testing.F) {
	fuzz(f, new(genSnapshot), new(genLoose), new(genWides), new(genNames), new(map[string]genVec), new([]genPlayer))
}

// FuzzRoundTrip sends what a decoder made of the bytes as other types.
func FuzzRoundTrip(f *testing.F) {
	f.Add("key", int64(-5), uint64(1<<63), 1.5, []byte("b"))
	f.Fuzz(func(t *testing.T, s string, i int64, u uint64, x float64, b []byte) {
		in := struct {
			S string
			M map[string]any
			I map[int64]uint64
			F []float64
			B []byte
		}{s, map[string]any{s: []any{i, x}, "b": b}, map[int64]uint64{i: u, -i: u}, []float64{x}, b}
		first, err := codec.Msgp{}.Append(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		out := in
		if _, err := (codec.Msgp{}).Decode(first, &out); err != nil {
			t.Fatal(err)
		}
		if again := must(codec.Msgp{}.Append(nil, &out)); string(again) != string(first) {
			t.Errorf("%x came back as %x", first, again)
		}
	})
}
