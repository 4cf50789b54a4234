package codec_test

import (
	"encoding/json"
	"testing"

	"github.com/parley-net/parley/codec"
)

// input has the fields of genInput, and no methods.
type input struct {
	Tick  uint32
	Seq   uint16
	MoveX float32
	MoveY float32
	Fire  bool
	Name  string
}

var (
	plainInput  = &input{Tick: 123456, Seq: 789, MoveX: 0.5, MoveY: -1, Fire: true, Name: "alice"}
	methodInput = &genInput{Tick: 123456, Seq: 789, MoveX: 0.5, MoveY: -1, Fire: true, Name: "alice"}
)

func BenchmarkAppend(b *testing.B) {
	var c codec.Msgp
	bag := map[string]any{"name": "alice", "hp": 100, "x": 1.5, "pos": []any{1, 2, 3}}
	buf := make([]byte, 0, 4096)
	for _, x := range []struct {
		name string
		v    any
	}{
		{"plain", plainInput}, {"value", *plainInput}, {"generated", methodInput}, {"any", bag},
		{"int", 5}, {"slice", make([]inner, 32)}, {"map", map[string]int{"a": 1, "b": 2, "c": 3}},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Append(buf, x.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("msgp alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := methodInput.MarshalMsg(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(plainInput); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var c codec.Msgp
	src := must(c.Append(nil, plainInput))
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		var out input
		for b.Loop() {
			if _, err := c.Decode(src, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated", func(b *testing.B) {
		b.ReportAllocs()
		var out genInput
		for b.Loop() {
			if _, err := c.Decode(src, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("msgp alone", func(b *testing.B) {
		b.ReportAllocs()
		var out genInput
		for b.Loop() {
			if _, err := out.UnmarshalMsg(src); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		src, _ := json.Marshal(plainInput)
		var out input
		for b.Loop() {
			if err := json.Unmarshal(src, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	bag := must(c.Append(nil, map[string]any{"name": "alice", "hp": 100, "x": 1.5, "pos": []any{1, 2, 3}}))
	b.Run("any", func(b *testing.B) {
		b.ReportAllocs()
		var out any
		for b.Loop() {
			if _, err := c.Decode(bag, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
	list := must(c.Append(nil, make([]inner, 32)))
	b.Run("slice", func(b *testing.B) {
		b.ReportAllocs()
		var out []inner
		for b.Loop() {
			if _, err := c.Decode(list, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
