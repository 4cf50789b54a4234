package mongo_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

func TestValues(t *testing.T) {
	for _, v := range values() {
		doc, err := mongo.AppendValue(nil, v)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		if err := bson.Raw(doc).Validate(); err != nil {
			t.Errorf("%v: the driver says: %v", v, err)
		}
		got, err := mongo.ParseValue(doc)
		if err != nil || !same(v, got) {
			t.Errorf("%T %v came back as %T %v, %v", v, v, got, got, err)
		}
		again, err := mongo.AppendValue(nil, got)
		if err != nil || !bytes.Equal(doc, again) {
			t.Errorf("%v: equal values gave other bytes, %v", v, err)
		}
	}
}

// TestForms holds what values look like in the database, as extended JSON has it.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{int64(80), `{"$numberLong":"80"}`},
		{uint64(80), `{"$numberInt":"80"}`},
		{uint64(1 << 40), `{"%uint":{"$numberLong":"1099511627776"}}`},
		{uint64(1 << 63), `{"%uint":"09223372036854775808"}`},
		{1.5, `{"$numberDouble":"1.5"}`},
		{"hi", `"hi"`},
		{"\xff", `{"%text":{"$binary":{"base64":"/w==","subType":"00"}}}`},
		{[]byte{1}, `{"$binary":{"base64":"AQ==","subType":"00"}}`},
		{began.Truncate(time.Millisecond), `{"$date":{"$numberLong":"1709251199123"}}`},
		{began, `{"%time":{"$date":{"$numberLong":"1709251199123"}},"%ns":{"$numberInt":"456789"}}`},
		{[]any{nil, []any{true}}, `[null,[true]]`},
		{map[string]any{"$set": "x", "b.c": "y", "_id": "z", "": "e"}, `{"%":"e","%24set":"x","%5Fid":"z","b%2Ec":"y"}`},
	} {
		doc, err := mongo.AppendValue(nil, c.v)
		if err != nil {
			t.Fatal(err)
		}
		text, err := bson.MarshalExtJSON(bson.Raw(doc), true, false)
		if want := `{"v":` + c.want + `}`; err != nil || string(text) != want {
			t.Errorf("%T %v is %s, want %s; %v", c.v, c.v, text, want, err)
		}
	}
}

func TestRefusedValues(t *testing.T) {
	self := []any{nil}
	self[0] = self
	deep := any(nil)
	for range mongo.MaxDepth + 1 {
		deep = []any{deep}
	}
	for _, v := range []any{1, float32(1), struct{}{}, []string{"a"}, self, deep, map[string]any{"a": []any{uint8(1)}}, time.Unix(1<<60, 0)} {
		if _, err := mongo.AppendValue(nil, v); !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("%T: %v", v, err)
		}
	}
	deepest := deep.([]any)[0]
	doc, err := mongo.AppendValue(nil, deepest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mongo.ParseValue(doc); err != nil || !same(deepest, got) {
		t.Errorf("what is as deep as may be came back as %v, %v", got, err)
	}
}

func TestNames(t *testing.T) {
	names := []string{"", "HP", "a.b", ".", "$set", "a$", "%", "%25", "_id", "_", "x_id", "\x00", "ü", "世界", "\xff", "\xe4\xb8", "a\xffb", "\xe4\xb8\x96\x96", "\ufffd", "%uint"}
	seen := map[string]string{}
	for _, s := range names {
		e := mongo.EscapeField(s)
		if strings.ContainsAny(e, ".\x00") || strings.HasPrefix(e, "$") || e == "" || e == "_id" || strings.ToValidUTF8(e, "") != e {
			t.Errorf("%q is written as %q", s, e)
		}
		if got, ok := mongo.UnescapeField(e); !ok || got != s {
			t.Errorf("%q came back as %q, %v", s, got, ok)
		}
		if other, twice := seen[e]; twice {
			t.Errorf("%q and %q are both written as %q", s, other, e)
		}
		seen[e] = s
	}
	for _, plain := range []string{"HP", "a$", "_", "ü", "世界", "\ufffd"} {
		if e := mongo.EscapeField(plain); e != plain {
			t.Errorf("%q is written as %q", plain, e)
		}
	}
}

func TestKeys(t *testing.T) {
	long := strings.Repeat("long", 100)
	names := []string{"", "%", "a", "a/b", "a%2Fb", "a.", "a..b", "$a", "a\"b", "\x01", "\xff", match, long, long + "x", strings.Repeat("世", 60), strings.Repeat("\xff", 400), "%~" + strings.Repeat("0", 24)}
	seen := map[string]string{}
	for _, s := range names {
		key := mongo.KeyOf(s)
		if other, twice := seen[key]; twice {
			t.Errorf("%q and %q have the same key %q", s, other, key)
		}
		seen[key] = s
		if len(key) > mongo.MaxKey || strings.ContainsAny(key, "/$\"\\\x01") || strings.ToValidUTF8(key, "") != key {
			t.Errorf("%q has the key %q", s, key)
		}
		state, events := mongo.DefaultCollections(s, began)
		if err := errors.Join(mongo.CheckCollection(state), mongo.CheckCollection(events)); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	if key := mongo.KeyOf(match); key != match {
		t.Errorf("%q has the key %q", match, key)
	}
}

func TestDefaultCollections(t *testing.T) {
	later := began.Add(time.Hour)
	for _, c := range []struct{ match, state, events string }{
		{match, "game-state 2024-02-29T23:59:59.123456789Z arena", "server-events 2024-02-29T23:59:59.123456789Z arena"},
		{match[len("arena"):], "game-state 2024-02-29T23:59:59.123456789Z", "server-events 2024-02-29T23:59:59.123456789Z"},
		{"arena", "game-state 2024-03-01T00:59:59.123456789Z arena", "server-events 2024-03-01T00:59:59.123456789Z arena"},
		{"arena-20249929T235959.123456789Z", "game-state 2024-03-01T00:59:59.123456789Z arena-20249929T235959.123456789Z", "server-events 2024-03-01T00:59:59.123456789Z arena-20249929T235959.123456789Z"},
	} {
		if state, events := mongo.DefaultCollections(c.match, later); state != c.state || events != c.events {
			t.Errorf("%q is in %q and %q, want %q and %q", c.match, state, events, c.state, c.events)
		}
	}
	if start, _ := mongo.StartOf(match, later); !start.Equal(began) {
		t.Errorf("%q began at %v", match, start)
	}
}

// FuzzParse reads what might stand in a database. What is read as a value is written as
// the same again.
func FuzzParse(f *testing.F) {
	for _, v := range values() {
		doc, err := mongo.AppendValue(nil, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	e, err := mongo.AppendEvent(nil, "m/00000000000000000001/00000000000000000002", event("m", 1, 2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e)
	o, err := mongo.AppendObject(nil, core.ObjectState{ID: 1, Class: "c", Fields: []core.Field{{Name: "a.b", Value: int64(1)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(o[1:])
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, err := mongo.ParseAll(doc, "m", "m"); err != nil && !errors.Is(err, core.ErrMalformed) {
			t.Error(err)
		}
		v, err := mongo.ParseValue(doc)
		if err != nil {
			if !errors.Is(err, core.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		again, err := mongo.AppendValue(nil, v)
		if err != nil {
			if errors.Is(err, core.ErrUnsupported) && strings.Contains(fmt.Sprint(err), "deeper") {
				return // one level, as a tag has
			}
			t.Fatal(err)
		}
		if got, err := mongo.ParseValue(again); err != nil || !same(v, got) {
			t.Errorf("%v came back as %v, %v", v, got, err)
		}
	})
}

// TestParsedEvent holds that an event which was read is the one that was written.
func TestParsedEvent(t *testing.T) {
	e := event("m", 1, 2)
	doc, err := mongo.AppendEvent(nil, "m/00000000000000000001/00000000000000000002", e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := mongo.ParseAll(doc, "m", "m")
	if err != nil || got.Seq != 2 || got.Tick != e.Tick || !got.Time.Equal(e.Time) || got.Kind != e.Kind || got.Player != e.Player || !same(got.Data, e.Data) {
		t.Errorf("%+v came back as %+v, %v", e, got, err)
	}
	for cut := range doc {
		if _, err := mongo.ParseAll(doc[:cut], "m", "m"); !errors.Is(err, core.ErrMalformed) {
			t.Errorf("cut off at byte %d: %v", cut, err)
		}
	}
}
