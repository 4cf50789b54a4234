package fieldjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

// FuzzParse holds that what is parsed as a value is JSON, and comes back.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`null`, `-7`, `7e0`, `7.25e-07`, `{"$int":"-9007199254740993"}`, `{"$uint":"18446744073709551615"}`, `{"$float":"NaN"}`, `"a\u0000\n\""`, `{"$string":"/w=="}`, `{"$bytes":"AAEC"}`,
		`{"$time":"2024-02-29T23:59:59.123456789Z"}`, `{"$unix":[253402300800,7]}`, `[1,[2.0,{}],"x"]`, `{"a":1,"b":{"c":[]}}`, `{"$map":[["$a",1],[{"$string":"/w=="},2]]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := fieldjson.Parse(text)
		if err != nil {
			if !errors.Is(err, core.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q was parsed, and is not JSON", text)
		}
		out, err := fieldjson.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := fieldjson.Parse(out)
		if err != nil || !same(v, back) {
			t.Fatalf("%q became %q and then %v, %v", text, out, back, err)
		}
	})
}

// FuzzRecord does so for objects and events.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`"id":7,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80,"X":1.5}`))
	f.Add([]byte(`"id":0,"class":{"$string":"/w=="},"owner":0,"alive":false,"fields":[[{"$string":"/w=="},null],["a",true]]`))
	f.Add([]byte(`"epoch":1,"seq":5,"tick":58,"time":"2024-02-29T23:59:59.000000000Z","kind":"joined","player":2,"data":{"from":"lobby"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p fieldjson.Parser
		if o, err := p.Object(text); err == nil {
			out, err := fieldjson.AppendObject(nil, o)
			back, err2 := p.Object(out)
			again, err3 := fieldjson.AppendObject(nil, back)
			if err := errors.Join(err, err2, err3); err != nil || !bytes.Equal(out, again) || !json.Valid([]byte("{"+string(text)+"}")) {
				t.Fatalf("%q became %q and then %q, %v", text, out, again, err)
			}
		} else if !errors.Is(err, core.ErrMalformed) {
			t.Fatal(err)
		}
		if e, err := p.Event(text); err == nil {
			out, err := fieldjson.AppendEvent(nil, e)
			back, err2 := p.Event(out)
			again, err3 := fieldjson.AppendEvent(nil, back)
			if err := errors.Join(err, err2, err3); err != nil || !bytes.Equal(out, again) || !json.Valid([]byte("{"+string(text)+"}")) {
				t.Fatalf("%q became %q and then %q, %v", text, out, again, err)
			}
		} else if !errors.Is(err, core.ErrMalformed) {
			t.Fatal(err)
		}
	})
}
