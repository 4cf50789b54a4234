package fieldjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

// same compares values by kind and bits.
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || a != a && b != b)
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.Equal(b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			x, ok := b[k]
			if !ok || !same(a[k], x) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// TestForms holds the texts that doc.go promises.
func TestForms(t *testing.T) {
	at := time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)
	for _, c := range []struct {
		v    any
		text string
	}{
		{nil, `null`}, {true, `true`}, {false, `false`},
		{int64(80), `80`}, {int64(-1), `-1`}, {int64(0), `0`}, {int64(1 << 53), `9007199254740992`}, {int64(-1 << 53), `-9007199254740992`},
		{int64(1<<53 + 1), `{"$int":"9007199254740993"}`}, {int64(math.MinInt64), `{"$int":"-9223372036854775808"}`},
		{uint64(80), `80e0`}, {uint64(0), `0e0`}, {uint64(1 << 53), `9007199254740992e0`}, {uint64(math.MaxUint64), `{"$uint":"18446744073709551615"}`},
		{80.0, `80.0`}, {1.5, `1.5`}, {-0.1, `-0.1`}, {0.0, `0.0`}, {math.Copysign(0, -1), `-0.0`}, {1e20, `100000000000000000000.0`}, {1e21, `1.0e+21`},
		{1.25e300, `1.25e+300`}, {1e-7, `1.0e-07`}, {1e-6, `0.000001`}, {math.MaxFloat64, `1.7976931348623157e+308`}, {math.SmallestNonzeroFloat64, `5.0e-324`},
		{math.NaN(), `{"$float":"NaN"}`}, {math.Inf(1), `{"$float":"+Inf"}`}, {math.Inf(-1), `{"$float":"-Inf"}`},
		{"", `""`}, {"text", `"text"`}, {"größe 世界 🎲", `"größe 世界 🎲"`}, {"<a href='/'>&", `"<a href='/'>&"`}, {"\ufffd", "\"\ufffd\""},
		{"a\"b\\c\nd\re\tf\x00g\x1b[2J\x7f\u009b\u2028\u2029", `"a\"b\\c\nd\re\tf\u0000g\u001b[2J\u007f\u009b\u2028\u2029"`},
		{"bad \xff", `{"$string":"YmFkIP8="}`}, {"\xed\xa0\x80", `{"$string":"7aCA"}`},
		{[]byte{}, `{"$bytes":""}`}, {[]byte{0xff, 0, 1}, `{"$bytes":"/wAB"}`},
		{at, `{"$time":"2024-02-29T23:59:59.123456789Z"}`}, {at.In(time.FixedZone("far", 14*3600)), `{"$time":"2024-02-29T23:59:59.123456789Z"}`},
		{time.Time{}, `{"$time":"0001-01-01T00:00:00.000000000Z"}`}, {time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), `{"$time":"0000-01-01T00:00:00.000000000Z"}`},
		{time.Unix(253402300800, 7), `{"$unix":[253402300800,7]}`}, {time.Date(-1, 12, 31, 23, 59, 59, 0, time.UTC), `{"$unix":[-62167219201,0]}`},
		{time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("west", -3600)), `{"$unix":[253402300800,0]}`},
		{[]any{}, `[]`}, {[]any{int64(1), "two", []any{uint64(3)}}, `[1,"two",[3e0]]`},
		{map[string]any{}, `{}`}, {map[string]any{"b": int64(2), "a": int64(1), "": nil}, `{"":null,"a":1,"b":2}`},
		{map[string]any{"a$": true, "__proto__": nil, "a.b": 1.0}, `{"__proto__":null,"a$":true,"a.b":1.0}`},
		{map[string]any{"$key": int64(1), "b": int64(2)}, `{"$map":[["$key",1],["b",2]]}`},
		{map[string]any{"\xff": int64(1)}, `{"$map":[[{"$string":"/w=="},1]]}`}, {map[string]any{"$map": map[string]any{"$int": "7"}}, `{"$map":[["$map",{"$map":[["$int","7"]]}]]}`},
	} {
		text, err := fieldjson.Append([]byte("before "), c.v)
		if err != nil || string(text) != "before "+c.text {
			t.Errorf("%#v became %s, %v; want %s", c.v, text, err, c.text)
		}
		if !json.Valid([]byte(c.text)) {
			t.Errorf("%s is not JSON", c.text)
		}
		if back, err := fieldjson.Parse([]byte(c.text)); err != nil || !same(c.v, back) {
			t.Errorf("%s became %#v, %v; want %#v", c.text, back, err, c.v)
		}
	}
}

// TestRefused holds that nothing but what Append writes is parsed.
func TestRefused(t *testing.T) {
	deep := strings.Repeat("[", fieldjson.MaxDepth+2) + strings.Repeat("]", fieldjson.MaxDepth+2)
	for _, text := range []string{
		``, ` `, ` 1`, `1 `, `nul`, `nulll`, `True`, `01`, `-01`, `00e0`, `1e0e0`, `1e1`, `1E0`, `-1e0`, `+1`, `1.`, `.5`, `-`, `1.5e`, `1.5e7`, `1.5e+`, `1e+21`, `1.0e+400`, `9223372036854775808`,
		`18446744073709551616e0`, `NaN`, `"`, `"a`, `"\`, `"\"`, `"\x"`, `"\u"`, `"\u00`, `"\u001"`, `"\u0041"`, `"\ud800"`, `"\/"`, `"\b"`, "\"\n\"", "\"\x7f\"", "\"\u009b\"", "\"\u2028\"", "\"\xff\"", `'a'`,
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 ,2]`, `]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{"b":1,"a":2}`, `{"a":1,"a":1}`, `{1:1}`, `{"a":1,"$b":2}`,
		`{"$int":7}`, `{"$int":"07"}`, `{"$int":"x"}`, `{"$int":"7"`, `{"$int":"7","a":1}`, `{"$uint":"-1"}`, `{"$float":"nan"}`, `{"$float":"1.5"}`, `{"$bytes":"A"}`, `{"$bytes":"AA"}`, `{"$bytes":"/x=="}`, `{"$bytes":"AA\n=="}`,
		"{\"$bytes\":\"AAAA\nAAAA\"}", `{"$string":"YQ=="}`, `{"$time":"2024-02-29T23:59:59Z"}`, `{"$time":"2023-02-29T23:59:59.000000000Z"}`, `{"$time":"2024-02-29T23:59:59.000000000+01:00"}`, `{"$time":{"$unix":[1,2]}}`,
		`{"$unix":[0,0]}`, `{"$unix":[253402300800,1000000000]}`, `{"$unix":[253402300800]}`, `{"$map":[]}`, `{"$map":[["a",1]]}`, `{"$map":[["$b",1],["$a",1]]}`, `{"$map":{}}`, `{"$other":1}`, `{"$":1}`, deep,
		`{"$int":"9223372036854775808"}`, `"a"b`, `{"a":1}}`,
	} {
		if v, err := fieldjson.Parse([]byte(text)); !errors.Is(err, core.ErrMalformed) || v != nil {
			t.Errorf("%.60s became %#v, %v", text, v, err)
		}
	}
	self := []any{nil}
	self[0] = self
	for _, v := range []any{1, float32(1), struct{}{}, []string{"a"}, self, []any{[]any{uint8(1)}}, map[string]any{"f": func() {}}, map[string]any{"$": make(chan int)}} {
		if dst, err := fieldjson.Append([]byte("dst"), v); !errors.Is(err, core.ErrUnsupported) || string(dst) != "dst" {
			t.Errorf("%T became %.60s, %v", v, dst, err)
		}
	}
}

// random makes a value of any kind, odd ones often.
func random(r *rand.Rand, depth int) any {
	texts := []string{"", "a", "$a", "\xff\xfe", "\x00\n", "世界", "é", "e\u0301", "\u2028", `"\`, "null", "1e0", "$map", "$int"}
	kinds := 11
	if depth > 3 {
		kinds = 9
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64()) >> r.IntN(64)
	case 3:
		return r.Uint64() >> r.IntN(64)
	case 4:
		return math.Float64frombits(r.Uint64())
	case 5:
		return float64(r.IntN(2000)-1000) / 8
	case 6:
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case 7:
		return time.Unix(int64(r.Uint64())>>r.IntN(64), r.Int64N(1e9)).UTC()
	case 8:
		s := texts[r.IntN(len(texts))]
		for range r.IntN(4) {
			s += string(rune(r.IntN(0x110000) >> r.IntN(20)))
		}
		return s
	case 9:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, random(r, depth+1))
		}
		return list
	default:
		m := map[string]any{}
		for range r.IntN(5) {
			m[texts[r.IntN(len(texts))]] = random(r, depth+1)
		}
		return m
	}
}

func TestRandomValues(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	var p fieldjson.Parser
	for i := range 20_000 {
		v := random(r, 0)
		text, err := fieldjson.Append(nil, v)
		if err != nil {
			t.Fatalf("seed %d, value %d: %v", seed, i, err)
		}
		if !json.Valid(text) || bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("seed %d, value %d: %q is no line of JSON", seed, i, text)
		}
		back, err := fieldjson.Parse(text)
		if err != nil || !same(v, back) {
			t.Fatalf("seed %d, value %d: %#v became %s and then %#v, %v", seed, i, v, text, back, err)
		}
		if again, err := fieldjson.Append(nil, back); err != nil || !bytes.Equal(text, again) {
			t.Fatalf("seed %d, value %d: %s became %s, %v", seed, i, text, again, err)
		}
		o := core.ObjectState{ID: r.Uint64(), Class: fmt.Sprint(random(r, 9)), Owner: r.Uint32(), Alive: i%2 == 0, Fields: []core.Field{{Name: "v", Value: v}, {Name: fmt.Sprint(random(r, 9)), Value: v}}}
		text, err = fieldjson.AppendObject(nil, o)
		if err != nil {
			t.Fatal(err)
		}
		o2, err := p.Object(text)
		if err != nil || o2.ID != o.ID || o2.Class != o.Class || o2.Owner != o.Owner || o2.Alive != o.Alive || len(o2.Fields) != 2 || o2.Fields[1].Name != o.Fields[1].Name || !same(v, o2.Fields[1].Value) {
			t.Fatalf("seed %d, value %d: %#v became %s and then %#v, %v", seed, i, o, text, o2, err)
		}
	}
}

func TestRecords(t *testing.T) {
	at := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	var p fieldjson.Parser
	for _, c := range []struct {
		o    core.ObjectState
		text string
	}{
		{core.ObjectState{ID: 7, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}}}, `"id":7,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80}`},
		{core.ObjectState{ID: math.MaxUint64, Owner: math.MaxUint32}, `"id":18446744073709551615,"class":"","owner":4294967295,"alive":false,"fields":{}`},
		{core.ObjectState{Fields: []core.Field{{Name: "z", Value: nil}, {Name: "$a", Value: 1.0}, {Name: "z", Value: nil}}}, `"id":0,"class":"","owner":0,"alive":false,"fields":{"z":null,"$a":1.0,"z":null}`},
		{core.ObjectState{Class: "\xff", Fields: []core.Field{{Name: "\xff", Value: nil}, {Name: "a", Value: true}}}, `"id":0,"class":{"$string":"/w=="},"owner":0,"alive":false,"fields":[[{"$string":"/w=="},null],["a",true]]`},
	} {
		text, err := fieldjson.AppendObject(nil, c.o)
		if err != nil || string(text) != c.text || !json.Valid([]byte("{"+c.text+"}")) {
			t.Errorf("%v became %s, %v", c.o, text, err)
		}
		if o, err := p.Object([]byte(c.text)); err != nil || !reflect.DeepEqual(c.o, o) {
			t.Errorf("%s became %#v, %v", c.text, o, err)
		}
	}
	for _, c := range []struct {
		e    core.Event
		text string
	}{
		{core.Event{Epoch: 1, Seq: 5, Tick: 58, Time: at, Kind: "joined", Player: 2, Data: map[string]any{"from": "lobby"}}, `"epoch":1,"seq":5,"tick":58,"time":"2024-02-29T23:59:59.000000000Z","kind":"joined","player":2,"data":{"from":"lobby"}`},
		{core.Event{Epoch: math.MaxUint64, Time: at, Data: map[string]any{}}, `"epoch":18446744073709551615,"seq":0,"tick":0,"time":"2024-02-29T23:59:59.000000000Z","kind":"","player":0,"data":{}`},
		{core.Event{Time: time.Unix(1<<40, 0).UTC(), Kind: "\xff"}, `"epoch":0,"seq":0,"tick":0,"time":{"$unix":[1099511627776,0]},"kind":{"$string":"/w=="},"player":0`},
	} {
		text, err := fieldjson.AppendEvent(nil, c.e)
		if err != nil || string(text) != c.text || !json.Valid([]byte("{"+c.text+"}")) {
			t.Errorf("%v became %s, %v", c.e, text, err)
		}
		if e, err := p.Event([]byte(c.text)); err != nil || !reflect.DeepEqual(c.e, e) {
			t.Errorf("%s became %#v, %v", c.text, e, err)
		}
		for _, bad := range []string{string(text[:len(text)-1]), "x", "\"data\":1", ",\"data\":1", ",\"data\":{\"$int\":\"7\"}"} {
			if e, err := p.Event([]byte(bad)); !errors.Is(err, core.ErrMalformed) {
				t.Errorf("%s became %v", bad, e)
			}
		}
	}
	bad := core.ObjectState{Fields: []core.Field{{Name: "ok"}, {Name: "bad", Value: []any{nil, 1}}}}
	if dst, err := fieldjson.AppendObject([]byte("dst"), bad); !errors.Is(err, core.ErrUnsupported) || string(dst) != "dst" || !strings.Contains(err.Error(), `field "bad": [1]`) {
		t.Errorf("%s, %v", dst, err)
	}
	if dst, err := fieldjson.AppendEvent([]byte("dst"), core.Event{Data: map[string]any{"bad": 1}}); !errors.Is(err, core.ErrUnsupported) || string(dst) != "dst" || !strings.Contains(err.Error(), `data: ["bad"]`) {
		t.Errorf("%s, %v", dst, err)
	}
	text, rest, err := fieldjson.ParseText([]byte(`"m\n",1`))
	when, more, err2 := fieldjson.ParseTime([]byte(`"2024-02-29T23:59:59.000000000Z"x`))
	if text != "m\n" || string(rest) != ",1" || !when.Equal(at) || string(more) != "x" || err != nil || err2 != nil {
		t.Errorf("%q, %q, %v; %v, %q, %v", text, rest, err, when, more, err2)
	}
}

func TestAllocations(t *testing.T) {
	o := core.ObjectState{ID: 7, Class: "Knight", Fields: []core.Field{{Name: "HP", Value: int64(80)}, {Name: "X", Value: 1.5}, {Name: "Name", Value: "bob"}, {Name: "At", Value: time.Unix(1e9, 5)}, {Name: "Bag", Value: map[string]any{"b": uint64(1), "a": []byte("x")}}}}
	e := core.Event{Epoch: 1, Seq: 5, Kind: "joined", Data: map[string]any{"a": int64(1), "b": []any{true, nil}}}
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := fieldjson.AppendObject(dst, o); err != nil {
			t.Fatal(err)
		}
		if _, err := fieldjson.AppendEvent(dst, e); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for an object and an event", n)
	}
}

func BenchmarkObject(b *testing.B) {
	o := core.ObjectState{ID: 7, Class: "Knight", Owner: 3, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}, {Name: "X", Value: 1.5}, {Name: "Y", Value: -2.25}, {Name: "Gold", Value: uint64(7)}, {Name: "Name", Value: "bob"}}}
	text, err := fieldjson.AppendObject(nil, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			text, _ = fieldjson.AppendObject(text[:0], o)
		}
	})
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(text)))
		var p fieldjson.Parser
		for b.Loop() {
			if _, err := p.Object(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
