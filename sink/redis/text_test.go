package redis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
	"github.com/parley-net/parley/sink/redis"
)

// text returns a snapshot as it is stored.
func text(tb testing.TB, x core.Snapshot) []byte {
	tb.Helper()
	dst, n := redis.AppendBegin(nil, x), 0
	for o := range x.Objects {
		var err error
		if dst, err = redis.AppendObject(dst, n, o); err != nil {
			tb.Fatal(err)
		}
		n++
	}
	return append(dst, redis.ObjectsEnd...)
}

func TestText(t *testing.T) {
	at := time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)
	none := core.Snapshot{Match: "m\xff\n", Epoch: math.MaxUint64, Tick: 1, Time: at, Objects: slices.Values([]core.ObjectState(nil))}
	two := core.Snapshot{Match: "match 7", Epoch: 1, Tick: 60, Time: at, Objects: slices.Values([]core.ObjectState{
		{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}}}, {ID: 2, Class: "a\nb"}})}
	for _, c := range []struct {
		x    core.Snapshot
		text string
	}{
		{none, `{"match":{"$string":"bf8K"},"epoch":18446744073709551615,"tick":1,"time":"2024-02-29T23:59:59.123456789Z","objects":[` + "\n]}"},
		{two, `{"match":"match 7","epoch":1,"tick":60,"time":"2024-02-29T23:59:59.123456789Z","objects":[` +
			"\n" + `{"id":1,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80}},` +
			"\n" + `{"id":2,"class":"a\nb","owner":0,"alive":false,"fields":{}}` + "\n]}"},
	} {
		got := text(t, c.x)
		if string(got) != c.text || !json.Valid(got) {
			t.Errorf("%s", got)
		}
		back, err := redis.ParseSnapshot(got)
		if err != nil || !bytes.Equal(text(t, back), got) {
			t.Errorf("%s: %v", got, err)
		}
		// Nothing that is cut off, or longer, is a snapshot.
		for i := range got {
			if _, err := redis.ParseSnapshot(got[:i]); !errors.Is(err, core.ErrMalformed) {
				t.Errorf("%s: %v", got[:i], err)
			}
		}
		for _, more := range []string{"}", "\n", " ", "\n]}"} {
			if _, err := redis.ParseSnapshot(append(slices.Clone(got), more...)); !errors.Is(err, core.ErrMalformed) {
				t.Errorf("%s behind it: %v", more, err)
			}
		}
	}
	for _, bad := range []string{"", "null", "[]", "{}", `{"match":"m"}`, string(text(t, two)) + string(text(t, two)),
		string(bytes.Replace(text(t, two), []byte("},\n"), []byte("}\n"), 1)), string(bytes.Replace(text(t, two), []byte("\n{"), []byte("{"), 1)),
		string(bytes.Replace(text(t, two), []byte(`"tick":60`), []byte(`"tick":18446744073709551616`), 1))} {
		if _, err := redis.ParseSnapshot([]byte(bad)); !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func FuzzSnapshot(f *testing.F) {
	f.Add(text(f, snapshot("m", 1, 2)))
	f.Add(text(f, large("\xff", 3, 2000)))
	f.Add(text(f, core.Snapshot{Objects: slices.Values([]core.ObjectState(nil))}))
	f.Fuzz(func(t *testing.T, src []byte) {
		x, err := redis.ParseSnapshot(src)
		if err != nil {
			if !errors.Is(err, core.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again := text(t, x)
		y, err := redis.ParseSnapshot(again)
		if err != nil || !bytes.Equal(text(t, y), again) {
			t.Fatalf("%q became %q, %v", src, again, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	for _, e := range []core.Event{event("m", 1, 2), {}, {Epoch: math.MaxUint64, Tick: math.MaxUint64, Kind: "\xff", Data: map[string]any{"$": math.NaN()}}} {
		src, err := redis.AppendEvent(nil, e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := redis.ParseEvent(new(fieldjson.Parser), src)
		if err != nil {
			if !errors.Is(err, core.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if tick, ok := redis.EventTick(src); !ok || tick != e.Tick {
			t.Fatalf("the tick of %q is %d, %v", src, tick, ok)
		}
		again, err := redis.AppendEvent(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := redis.ParseEvent(new(fieldjson.Parser), again)
		if err != nil {
			t.Fatalf("%q became %q: %v", src, again, err)
		}
		if twice, err := redis.AppendEvent(nil, back); err != nil || !bytes.Equal(twice, again) {
			t.Fatalf("%q became %q and then %q, %v", src, again, twice, err)
		}
	})
}
