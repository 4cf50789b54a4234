package mongo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

const (
	stateName  = "game-state 2024-02-29T23:59:59.123456789Z arena"
	eventsName = "server-events 2024-02-29T23:59:59.123456789Z arena"
)

// text is a command as extended JSON, without what the driver adds.
func text(tb testing.TB, c command) string {
	tb.Helper()
	body := slices.DeleteFunc(slices.Clone(c.body), func(e bson.E) bool {
		return slices.Contains([]string{"lsid", "txnNumber", "$db", "$clusterTime", "$readPreference", "maxTimeMS"}, e.Key)
	})
	b, err := bson.MarshalExtJSON(body, false, false)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// TestCommands holds what is sent for a first event and a first snapshot, to the letter:
// what the servers of other tests do not do, and what they would not mind.
func TestCommands(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	put(t, s, event(match, 1, 1))
	if err := s.WriteSnapshot(t.Context(), snapshot(match, 1, 1)); err != nil {
		t.Fatal(err)
	}
	const concern = `,"writeConcern":{"w":"majority"}`
	want := []string{
		`{"update":"game-matches","ordered":true` + concern + `,"updates":[{"q":{"_id":"` + match + `"},"u":{"$setOnInsert":{"match":"` + match + `","start":{"$date":"2024-02-29T23:59:59.123Z"},"state":"` + stateName + `","events":"` + eventsName + `"}},"upsert":true}]}`,
		`{"update":"game-matches","ordered":true` + concern + `,"updates":[{"q":{"_id":"` + match + `","expires":{"$exists":true}},"u":{"$unset":{"expires":""}}}]}`,
		`{"createIndexes":"` + eventsName + `","indexes":[{"key":{"_id":1,"tick":1},"name":"_id_1_tick_1"}]` + concern + `}`,
		`{"update":"` + eventsName + `","ordered":true` + concern + `,"updates":[{"q":{"_id":"` + match + `/00000000000000000001/00000000000000000001"},"u":{"$setOnInsert":{"match":"` + match + `","epoch":1,"seq":1,"tick":2,"time":{"$date":"2024-03-01T00:00:00.123Z"},"ns":456789,"kind":"scored","player":3,"data":{"points":1}}},"upsert":true}]}`,
		`{"update":"` + stateName + `","ordered":true` + concern + `,"updates":[{"q":{"_id":"` + match + `/00000000000000000001/00000000000000000001"},"u":{"$setOnInsert":{"match":"` + match + `","epoch":1,"tick":1,"time":{"$date":"2024-03-01T00:00:00.123Z"},"ns":456789,"count":1,"objects":[{"id":1,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80}}]}},"upsert":true}]}`,
	}
	got := p.seen("update", "createIndexes")
	for i, c := range got {
		if i >= len(want) || text(t, c) != want[i] {
			t.Errorf("command %d is\n%s", i, text(t, c))
		}
		if c.name == "update" && c.get("txnNumber") == nil {
			t.Errorf("command %d is none that may be sent twice", i)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d commands were sent, want %d", len(got), len(want))
	}
}

func TestReadCommands(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	put(t, s, event(match, 1, 1))
	p.seen()
	if _, err := s.Latest(t.Context(), match); err == nil {
		t.Error("there is no snapshot, and one was read")
	}
	seqs(t, s, match, 5, 9)
	seqs(t, s, match, 5, last)
	seqs(t, s, match, 0, last)
	const ids = `"_id":{"$gte":"` + match + `/00000000000000000000/00000000000000000000","$lte":"` + match + `/18446744073709551615/18446744073709551615"}`
	want := []string{
		`{"find":"` + stateName + `","filter":{` + ids + `},"limit":1,"sort":{"_id":-1}}`,
		`{"find":"` + eventsName + `","filter":{` + ids + `,"tick":{"$gte":5,"$lte":9}},"sort":{"_id":1}}`,
		`{"find":"` + eventsName + `","filter":{` + ids + `,"$or":[{"tick":{"$gte":5,"$lte":9223372036854775807}},{"tick":{"$gte":"09223372036854775808","$lte":"18446744073709551615"}}]},"sort":{"_id":1}}`,
		`{"find":"` + eventsName + `","filter":{` + ids + `},"sort":{"_id":1}}`,
	}
	for i, c := range p.seen("find") {
		if i >= len(want) || text(t, c) != want[i] {
			t.Errorf("command %d is\n%s", i, text(t, c))
		}
	}
}

// TestExpire holds the indexes and fields by which MongoDB throws away what is old.
func TestExpire(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url() + "&expire=24h"}.WithPart(8<<10))
	before := time.Now()
	put(t, s, event(match, 1, 1))
	if err := s.WriteSnapshot(t.Context(), large(match, 1, 10, 1<<10)); err != nil {
		t.Fatal(err)
	}
	after := time.Now()
	const ttl = `{"key":{"expires":1},"expireAfterSeconds":0,"name":"expires_1"}`
	want := []string{
		`{"createIndexes":"game-matches","indexes":[` + ttl + `],"writeConcern":{"w":"majority"}}`,
		`{"createIndexes":"` + stateName + `","indexes":[` + ttl + `],"writeConcern":{"w":"majority"}}`,
		`{"createIndexes":"` + eventsName + `","indexes":[{"key":{"_id":1,"tick":1},"name":"_id_1_tick_1"},` + ttl + `],"writeConcern":{"w":"majority"}}`,
	}
	for i, c := range p.seen("createIndexes") {
		if i >= len(want) || text(t, c) != want[i] {
			t.Errorf("command %d is\n%s", i, text(t, c))
		}
	}
	within := func(what string, doc bson.Raw, life time.Duration) {
		at := doc.Lookup("expires").Time()
		if at.Before(before.Add(life).Truncate(time.Millisecond)) || at.After(after.Add(life)) {
			t.Errorf("%s expires at %v, want %v from now", what, at, life)
		}
	}
	state := p.docs(stateName)
	if len(state) != 3 {
		t.Fatalf("%d documents, want a snapshot and two parts", len(state))
	}
	within("a snapshot", state[0], 24*time.Hour)
	within("its part", state[1], 25*time.Hour)
	within("an event", p.docs(eventsName)[0], 24*time.Hour)
	entry := func() bson.Raw { return p.docs("game-matches")[0] }
	within("the entry", entry(), 24*time.Hour+2*time.Minute)

	// Another sink keeps what it writes for longer, and a third for ever.
	put(t, open(t, mongo.Config{URL: p.url(), Expire: 72 * time.Hour}), event(match, 1, 2))
	after = time.Now()
	within("the entry, later", entry(), 72*time.Hour+2*time.Minute)
	put(t, open(t, mongo.Config{URL: p.url(), Expire: time.Hour}), event(match, 1, 3))
	within("the entry, which must not go sooner", entry(), 72*time.Hour+2*time.Minute)
	put(t, open(t, mongo.Config{URL: p.url()}), event(match, 1, 4))
	put(t, open(t, mongo.Config{URL: p.url(), Expire: time.Hour}), event(match, 1, 5))
	if v := entry().Lookup("expires"); !v.IsZero() {
		t.Errorf("the entry of a match with records that stay expires at %v", v)
	}
}

func TestWriteConcern(t *testing.T) {
	for _, c := range []struct {
		url    string
		config *writeconcern.WriteConcern
		want   string
	}{
		{"", nil, `{"w":"majority"}`},
		{"", &writeconcern.WriteConcern{W: 2}, `{"w":2}`},
		{"", writeconcern.Journaled(), `{"j":true}`},
		{"&w=1&journal=true", writeconcern.Majority(), `{"w":1,"j":true}`},
		{"&w=majority&journal=true", nil, `{"w":"majority","j":true}`},
	} {
		p := newPeer(t)
		put(t, open(t, mongo.Config{URL: p.url() + c.url, WriteConcern: c.config}), event(match, 1, 1))
		for _, cmd := range p.seen("update", "createIndexes") {
			got, err := bson.MarshalExtJSON(cmd.get("writeConcern"), false, false)
			if err != nil || string(got) != c.want {
				t.Errorf("%s %v: a %s waits for %s, want %s; %v", c.url, c.config, cmd.name, got, c.want, err)
			}
		}
	}
}

// TestInjection holds that nothing of what players say becomes a command or a name that
// MongoDB takes for something else.
func TestInjection(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	evil := map[string]any{"$set": map[string]any{"kind": "won"}, "$where": "1", "a.b": "c", "_id": "x", "match": "y", "": "z", "deep": []any{map[string]any{"$gt": ""}}}
	name := `"$where/../admin.$cmd` + "\x00"
	e := event(name, 1, 1)
	e.Kind, e.Data = "$kind", evil
	put(t, s, e)
	x := snapshot(name, 1, 1)
	x.Objects = slices.Values([]core.ObjectState{{ID: 1, Class: "$c", Fields: []core.Field{{Name: "$inc", Value: evil}, {Name: "a.b", Value: int64(1)}}}})
	if err := s.WriteSnapshot(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.seen("update", "find", "createIndexes") {
		if db := c.get("$db"); db != "db" || strings.ContainsAny(fmt.Sprint(c.body[0].Value), "$/\x00") {
			t.Errorf("%s in collection %q of %v", c.name, c.body[0].Value, db)
		}
		if c.name != "update" {
			continue
		}
		for _, u := range c.get("updates").(bson.A) {
			for _, op := range get(u.(bson.D), "u").(bson.D) {
				if op.Key != "$setOnInsert" && op.Key != "$unset" {
					t.Errorf("an update does %s", op.Key)
				}
				noNames(t, op.Value)
			}
		}
	}
	for back, err := range s.Events(t.Context(), name, 0, last) {
		if err != nil || !same(back.Data, evil) || back.Match != name || back.Kind != "$kind" {
			t.Errorf("%+v, %v", back, err)
		}
	}
}

// noNames wants no name in a document with a dot, or with $ in front.
func noNames(tb testing.TB, v any) {
	switch v := v.(type) {
	case bson.D:
		for _, e := range v {
			if e.Key == "" || e.Key[0] == '$' || strings.Contains(e.Key, ".") || e.Key == "_id" {
				tb.Errorf("a field has the name %q", e.Key)
			}
			noNames(tb, e.Value)
		}
	case bson.A:
		for _, x := range v {
			noNames(tb, x)
		}
	}
}

func TestSharedCollections(t *testing.T) {
	p := newPeer(t)
	var starts []time.Time
	s := open(t, mongo.Config{URL: p.url(), Database: "ignored", Collections: func(name string, start time.Time) (string, string) {
		starts = append(starts, start)
		return "states", "events"
	}})
	put(t, s, event("a", 1, 1), event("b", 1, 1), event("a", 1, 2), event(match, 1, 1))
	for _, m := range []string{"a", "b"} {
		if err := s.WriteSnapshot(t.Context(), snapshot(m, 1, 7)); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.collections(); !slices.Equal(got, []string{"events", "game-matches", "states"}) {
		t.Errorf("the collections are %q", got)
	}
	if len(starts) != 3 || !starts[0].Equal(event("a", 1, 1).Time) || !starts[2].Equal(began) {
		t.Errorf("the matches began at %v", starts)
	}
	// One who does not know the function finds them.
	reader := open(t, mongo.Config{URL: p.url()})
	if got := seqs(t, reader, "a", 0, last); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("the events of a are %d", got)
	}
	if x, err := reader.Latest(t.Context(), "b"); err != nil || x.Match != "b" {
		t.Errorf("the latest of b is of %q, %v", x.Match, err)
	}
	if names, err := reader.Matches(t.Context()); err != nil || !slices.Equal(names, []string{"a", match, "b"}) {
		t.Errorf("the matches are %q, %v", names, err)
	}
	put(t, reader, event("a", 1, 3))
	if got := p.collections(); len(got) != 3 {
		t.Errorf("a match that is there got other collections: %q", got)
	}
}

func TestBadCollections(t *testing.T) {
	p := newPeer(t)
	for _, c := range [][2]string{{"", "b"}, {"a", ""}, {"a", "a"}, {"a$", "b"}, {"system.x", "b"}, {"a", ".b"}, {"a", "b."}, {"a..b", "c"}, {"a\x00", "b"}, {"a\xff", "b"}, {"game-matches", "b"}, {strings.Repeat("a", 191), "b"}} {
		s := open(t, mongo.Config{URL: p.url(), Collections: func(string, time.Time) (string, string) { return c[0], c[1] }})
		if n, err := s.WriteEvents(t.Context(), events(match, 1, 1, 2)); n != 0 || !is(err, core.ErrMalformed) {
			t.Errorf("%q: %d, %v", c, n, err)
		}
	}
	if got := p.collections(); len(got) != 0 {
		t.Errorf("the collections are %q", got)
	}
}

// TestBatches holds how many events go in one command.
func TestBatches(t *testing.T) {
	p := newPeer(t)
	const part = 64 << 10
	s := open(t, mongo.Config{URL: p.url()}.WithPart(part))
	put(t, s, events(match, 1, 1, 2*mongo.MaxBatch+1)...)
	sizes := func() (list []int) {
		for _, c := range p.seen("update") {
			if c.body[0].Value == eventsName {
				list = append(list, len(c.get("updates").(bson.A)))
			}
		}
		return list
	}
	if got := sizes(); !slices.Equal(got, []int{mongo.MaxBatch, mongo.MaxBatch, 1}) {
		t.Errorf("the batches have %d events", got)
	}
	long := events(match, 2, 1, 5)
	for i := range long {
		long[i].Data = map[string]any{"text": strings.Repeat("x", part/2-500)}
	}
	put(t, s, long...)
	if got := sizes(); !slices.Equal(got, []int{2, 2, 1}) {
		t.Errorf("the batches of long events have %d", got)
	}
	long[1].Data = map[string]any{"text": strings.Repeat("x", mongo.MaxDocument)}
	long[0].Epoch, long[1].Epoch = 3, 3
	if n, err := s.WriteEvents(t.Context(), long[:2]); n != 1 || !is(err, core.ErrTooLarge) {
		t.Errorf("an event that is too large: %d, %v", n, err)
	}
	if n, err := s.WriteEvents(t.Context(), []core.Event{{Match: match}}); n != 0 || !is(err, core.ErrUnsupported) {
		t.Errorf("an event without a number: %d, %v", n, err)
	}
}

// TestOwnClient holds that a client which is the caller's stays open.
func TestOwnClient(t *testing.T) {
	p := newPeer(t)
	c := client(t, p.url())
	s := open(t, mongo.Config{Client: c})
	put(t, s, event(match, 1, 1))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if db := p.seen("update")[0].get("$db"); db != mongo.DefaultDatabase {
		t.Errorf("the database is %v", db)
	}
	other, err := mongodrv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, mongo.Config{Client: other}).Latest(t.Context(), match); !is(err, core.ErrClosed) {
		t.Errorf("a client that was disconnected: %v", err)
	}
}
