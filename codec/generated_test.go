package codec_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

func TestGeneratedRoundTrip(t *testing.T) {
	for _, in := range []any{
		methodInput, sampleSnapshot(0), sampleSnapshot(64), &genLoose{A: -1, Kids: []genVec{{1, 2, 3}}}, &genNames{"a", ""}, &genWides{},
		&genBorrow{Data: []byte("data")}, &genVec{1, 2, 3},
	} {
		want := must(in.(msgp.Marshaler).MarshalMsg(nil))
		for _, v := range []any{in, reflect.ValueOf(in).Elem().Interface()} {
			b, err := codec.Msgp{}.Append([]byte("x"), v)
			if err != nil || string(b[1:]) != string(want) {
				t.Errorf("%T: %v, bytes of its method: %v", v, err, string(b[1:]) == string(want))
			}
		}
		src := append(append([]byte(nil), want...), "tail"...)
		out := reflect.New(reflect.TypeOf(in).Elem())
		rest, err := codec.Msgp{}.Decode(src, out.Interface())
		if err != nil || string(rest) != "tail" {
			t.Errorf("%T: rest %q, %v", in, rest, err)
		}
		for i := range src {
			src[i] = 0xee
		}
		if again := must(out.Interface().(msgp.Marshaler).MarshalMsg(nil)); string(again) != string(want) {
			t.Errorf("%T: came back as %+v", in, out.Elem())
		}
	}
}

// TestGeneratedInside puts generated types within others, below containers of
// every kind, in values that have an address and values that have none.
func TestGeneratedInside(t *testing.T) {
	type outer struct {
		V  genVec
		P  *genVec
		L  []genInput
		A  [2]genVec
		M  map[string]genInput
		N  genNames
		St struct{ L genLoose }
	}
	in := outer{V: genVec{1, 2, 3}, P: &genVec{4, 5, 6}, L: []genInput{*methodInput, {}}, M: map[string]genInput{"b": *methodInput, "a": {Tick: 1}},
		N: genNames{"x"}, A: [2]genVec{{X: 1}, {Y: 2}}}
	in.St.L.Kids = []genVec{{7, 8, 9}}
	in.St.L.Big = &genWide{}
	byPointer, byValue := must(codec.Msgp{}.Append(nil, &in)), must(codec.Msgp{}.Append(nil, in))
	if string(byPointer) != string(byValue) {
		t.Error("a value gives other bytes than a pointer to it")
	}
	var out outer
	if _, err := (codec.Msgp{}).Decode(byValue, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%v\nin  %+v\nout %+v", err, in, out)
	}
	b := must(codec.Msgp{}.Append(nil, []any{genVec{1, 2, 3}, &genLoose{A: 5}}))
	var list []any
	if _, err := (codec.Msgp{}).Decode(b, &list); err != nil || !reflect.DeepEqual(list[0], []any{float32(1), float32(2), float32(3)}) {
		t.Errorf("%v, %v", list, err)
	}
}

// TestGeneratedShowsNothingOld decodes into values that are not empty.
func TestGeneratedShowsNothingOld(t *testing.T) {
	old := []genVec{{1, 1, 1}, {2, 2, 2}}
	v := genLoose{A: 1, B: "old", Kids: old, Big: &genWide{}}
	if _, err := (codec.Msgp{}).Decode([]byte{0x80}, &v); err != nil || !reflect.DeepEqual(v, genLoose{}) {
		t.Errorf("%v, %+v", err, v)
	}
	v = genLoose{Kids: old}
	b := must(codec.Msgp{}.Append(nil, genLoose{Kids: []genVec{{9, 9, 9}}}))
	if _, err := (codec.Msgp{}).Decode(b, &v); err != nil || old[0] != (genVec{1, 1, 1}) {
		t.Errorf("%v: memory of an old value was written: %v", err, old)
	}
}

// A struct inherits the methods of one that it embeds; they are not its own.
type inherits struct {
	genVec2
	Name string
}

type genVec2 = GenVec

// GenVec has hand-written methods.
type GenVec struct{ X, Y int8 }

func (v GenVec) MarshalMsg(b []byte) ([]byte, error) { return append(b, byte(v.X&0x7f)), nil }

func (v *GenVec) UnmarshalMsg(b []byte) ([]byte, error) {
	v.X = int8(b[0])
	return b[1:], nil
}

// declaresToo embeds one, and has its own methods.
type declaresToo struct {
	GenVec
	Name string
}

func (v declaresToo) MarshalMsg(b []byte) ([]byte, error) { return msgp.AppendString(b, v.Name), nil }

func (v *declaresToo) UnmarshalMsg(b []byte) (rest []byte, err error) {
	v.Name, rest, err = msgp.ReadStringBytes(b)
	return rest, err
}

func TestInheritedMethods(t *testing.T) {
	in := inherits{GenVec{X: 5}, "name"}
	b := must(codec.Msgp{}.Append(nil, in))
	var out inherits
	if _, err := (codec.Msgp{}).Decode(b, &out); err != nil || out != in {
		t.Errorf("in %+v, out %+v, %v", in, out, err)
	}
	own := must(codec.Msgp{}.Append(nil, declaresToo{GenVec{X: 5}, "name"}))
	if string(own) != "\xa4name" {
		t.Errorf("own methods are not used: %q", own)
	}
}

// odd has methods that misbehave as told.
type odd struct{ Mode string }

func (o odd) MarshalMsg(b []byte) ([]byte, error) {
	switch o.Mode {
	case "error":
		return b, errors.New("cannot")
	case "nothing":
		return b, nil
	case "less":
		return b[:0], nil
	}
	return append(b, 1), nil
}

func (o *odd) UnmarshalMsg(b []byte) ([]byte, error) {
	switch b[0] {
	case 1:
		panic("at the disco")
	case 2:
		return b, nil
	case 3:
		return b, msgp.ErrShortBytes
	}
	o.Mode = "ok"
	return b[1:], nil
}

func TestMethodsThatMisbehave(t *testing.T) {
	for _, mode := range []string{"error", "nothing", "less"} {
		out, err := codec.Msgp{}.Append([]byte("keep"), odd{mode})
		if !errors.Is(err, core.ErrUnsupported) || string(out) != "keep" {
			t.Errorf("%s: %q, %v", mode, out, err)
		}
	}
	for _, src := range []string{"\x01", "\x02", "\x03"} {
		o := odd{"old"}
		if _, err := (codec.Msgp{}).Decode([]byte(src), &o); !errors.Is(err, core.ErrMalformed) || o.Mode != "" {
			t.Errorf("%q: %v, %v", src, o, err)
		}
	}
	var o odd
	if _, err := (codec.Msgp{}).Decode([]byte("\x03"), &o); !errors.Is(err, msgp.ErrShortBytes) {
		t.Errorf("the cause is lost: %v", err)
	}
	if rest, err := (codec.Msgp{}).Decode([]byte("\x04\x05"), &o); err != nil || o.Mode != "ok" || len(rest) != 1 {
		t.Errorf("%v %v %v", o, rest, err)
	}
}

func TestRaw(t *testing.T) {
	type letter struct {
		To   string
		Body msgp.Raw
	}
	body := must(codec.Msgp{}.Append(nil, map[string]int{"a": 1}))
	in := letter{"bob", body}
	b := must(codec.Msgp{}.Append(nil, in))
	var out letter
	if _, err := (codec.Msgp{}).Decode(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("in %+v, out %+v, %v", in, out, err)
	}
	for _, bad := range []string{"\xc1", "\x92\x01", "\x01\x02", "\xdd\xff\xff\xff\xff", strings.Repeat("\x91", 64) + "\x01"} {
		if _, err := (codec.Msgp{}).Append(nil, letter{Body: msgp.Raw(bad)}); !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("%q was taken: %v", bad, err)
		}
	}
}

func TestGeneratedThatCannotTravel(t *testing.T) {
	for want, v := range map[string]any{
		"codec: codec_test.genMap.M: generated methods write a map in another order":        genMap{},
		"codec: *codec_test.genDeep.L[].V: generated methods write a map in an interface":   &genDeep{},
		"codec: codec_test.genList.Next[]: codec_test.genList contains itself":              genList{},
		"codec: []codec_test.genMap[].M: generated methods write a map":                     []genMap{},
		"codec: []interface {}[0]: holds a codec_test.genMap: codec: codec_test.genMap.M: ": []any{genMap{}},
	} {
		_, err := codec.Msgp{}.Append(nil, v)
		if !errors.Is(err, core.ErrUnsupported) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// TestLargeSnapshot keeps the bound from refusing what games send.
func TestLargeSnapshot(t *testing.T) {
	for _, n := range []int{64, 1000, 4000} {
		in := sampleSnapshot(n)
		b := must(codec.Msgp{}.Append(nil, in))
		var out genSnapshot
		if _, err := (codec.Msgp{}).Decode(b, &out); err != nil || len(out.Players) != n {
			t.Errorf("%d players: %v", n, err)
		}
	}
}
