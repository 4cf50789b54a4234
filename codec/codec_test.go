package codec_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
)

type inner struct{ A, B int16 }

type Base struct{ ID uint32 }

type base struct{ Hidden string }

// corner is embedded below without being exported.
type corner struct {
	T time.Time
	A any
	G genVec
	M map[string][]byte
}

type color uint8

type stamp time.Time

type every struct {
	Base
	base
	Bool    bool
	I       int
	I8      int8
	I16     int16
	I32     int32
	I64     int64
	U       uint
	U8      uint8
	U16     uint16
	U32     uint32
	U64     uint64
	F32     float32
	F64     float64
	S       string
	B       []byte
	Arr     [4]byte
	Colors  []color
	T       time.Time
	St      stamp
	D       time.Duration
	In      inner
	PIn     *inner
	PNil    *inner
	List    []inner
	Nums    [3]int32
	M       map[string]int
	MI      map[int8]string
	MU      map[color]inner
	Any     any
	AnyM    map[string]any
	AnyL    []any
	Skip    int `parley:"-"`
	SkipMsg int `msg:"-"`
	private int
}

func full() every {
	return every{
		Base: Base{7}, base: base{"h"}, Bool: true,
		I: math.MinInt, I8: -128, I16: -32768, I32: math.MinInt32, I64: math.MinInt64,
		U: math.MaxUint, U8: 255, U16: 65535, U32: math.MaxUint32, U64: math.MaxUint64,
		F32: -0.5, F64: math.Inf(-1), S: "a\xffb", B: []byte{1, 2}, Arr: [4]byte{9, 8, 7, 6}, Colors: []color{1, 2},
		T: time.Unix(1<<35, 5).UTC(), St: stamp(time.Unix(5, 0).UTC()), D: time.Hour, In: inner{1, -1}, PIn: &inner{3, 4},
		List: []inner{{1, 2}, {}}, Nums: [3]int32{1, 2, 3}, M: map[string]int{"b": 1, "a": -1, "": 0},
		MI: map[int8]string{-1: "x", 1: "y"}, MU: map[color]inner{200: {1, 1}, 3: {}},
		Any:  map[string]any{"k": []any{int64(1), uint64(math.MaxUint64), "s", nil, true, 1.5, float32(2), []byte{}, map[int64]any{-1: "n"}}},
		AnyM: map[string]any{}, AnyL: []any{map[string]any{"x": int64(-1)}},
	}
}

func TestEveryKind(t *testing.T) {
	in := full()
	b, err := codec.Msgp{}.Append([]byte("head"), &in)
	if err != nil {
		t.Fatal(err)
	}
	var out every
	out.Skip, out.private = 5, 6
	rest, err := codec.Msgp{}.Decode(append(b[4:], "tail"...), &out)
	if err != nil {
		t.Fatal(err)
	}
	if string(rest) != "tail" {
		t.Errorf("rest %q", rest)
	}
	if !reflect.DeepEqual(in, out) {
		t.Errorf("in  %+v\nout %+v", in, out)
	}
	byValue, err := codec.Msgp{}.Append(nil, in)
	if err != nil || string(byValue) != string(b[4:]) {
		t.Errorf("a value gives other bytes than a pointer to it: %v", err)
	}
}

func TestEmbeddedThatIsNotExported(t *testing.T) {
	type outer struct {
		N int
		corner
		L string
	}
	in := outer{1, corner{time.Unix(1, 2).UTC(), []any{"a"}, genVec{1, 2, 3}, map[string][]byte{"k": {1}}}, "last"}
	var out outer
	b, err := codec.Msgp{}.Append(nil, in)
	if err != nil || b[0] != 0x96 {
		t.Fatalf("%x, %v", b, err)
	}
	if _, err := (codec.Msgp{}).Decode(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("in %+v, out %+v, %v", in, out, err)
	}
}
