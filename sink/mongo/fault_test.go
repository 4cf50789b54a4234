package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

func is(err, kind error) bool { return errors.Is(err, kind) }

// once does something with the first command that updates a collection, and with no other.
func once(collection string, v func() verdict) func(command) verdict {
	done := false
	return func(c command) verdict {
		if done || c.name != "update" || c.body[0].Value != collection {
			return verdict{}
		}
		done = true
		return v()
	}
}

// always does the same with every command that updates a collection.
func always(collection string, v verdict) func(command) verdict {
	return func(c command) verdict {
		if c.name != "update" || c.body[0].Value != collection {
			return verdict{}
		}
		return v
	}
}

func refusal(code int32, name string, labels ...string) bson.D {
	return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: "the script says " + name}, {Key: "errorLabels", Value: labels}}
}

// writeErrors answers that the updates from index on failed.
func writeErrors(index, code int32) bson.D {
	return bson.D{{Key: "ok", Value: 1.0}, {Key: "n", Value: index}, {Key: "nModified", Value: int32(0)}, {Key: "writeErrors", Value: bson.A{
		bson.D{{Key: "index", Value: index}, {Key: "code", Value: code}, {Key: "errmsg", Value: "the script says no"}}}}}
}

// stored wants these events in the collection, once each.
func stored(t *testing.T, p *peer, want ...uint64) {
	t.Helper()
	var got []uint64
	for _, doc := range p.docs(eventsName) {
		got = append(got, uint64(doc.Lookup("seq").Int64()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the events %d are stored, want %d", got, want)
	}
}

// TestRetried holds that a write whose answer is lost is sent again by the driver under
// the same number, and that all is well then.
func TestRetried(t *testing.T) {
	for what, v := range map[string]verdict{
		"dropped before it was applied": {skip: true, drop: true},
		"dropped after it was applied":  {drop: true},
		"half an answer":                {half: true},
		"a primary that stepped down":   {skip: true, answer: refusal(189, "PrimarySteppedDown", "RetryableWriteError")},
		"no primary any more":           {skip: true, answer: refusal(10107, "NotWritablePrimary", "RetryableWriteError")},
		"shutdown":                      {skip: true, answer: refusal(91, "ShutdownInProgress", "RetryableWriteError")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // it mostly waits for the driver
			p := newPeer(t)
			s := open(t, mongo.Config{URL: p.url()})
			put(t, s, event(match, 1, 1))
			p.seen()
			p.play(once(eventsName, func() verdict { return v }))
			put(t, s, event(match, 1, 2))
			got := p.seen("update")
			if len(got) != 2 || got[0].get("txnNumber") != got[1].get("txnNumber") || got[0].get("txnNumber") == nil || text(t, got[0]) != text(t, got[1]) {
				t.Errorf("%d updates were sent: %v", len(got), got)
			}
			stored(t, p, 1, 2)
		})
	}
}

// TestUnknownOutcome holds that who does not know whether a write arrived may write
// again.
func TestUnknownOutcome(t *testing.T) {
	for what, v := range map[string]verdict{
		"applied, and the answer lost": {drop: true},
		"lost":                         {drop: true, skip: true},
		"half an answer":               {half: true},
		"not enough servers have it": {answer: bson.D{{Key: "ok", Value: 1.0}, {Key: "n", Value: int32(3)}, {Key: "nModified", Value: int32(0)},
			{Key: "writeConcernError", Value: bson.D{{Key: "code", Value: int32(64)}, {Key: "codeName", Value: "WriteConcernTimeout"}, {Key: "errmsg", Value: "waiting for replication timed out"}}}}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel() // it mostly waits for the driver
			p := newPeer(t)
			s := open(t, mongo.Config{URL: p.url() + "&retryWrites=false"})
			put(t, s, event(match, 1, 1))
			p.play(once(eventsName, func() verdict { return v }))
			batch := events(match, 1, 1, 3)
			n, err := s.WriteEvents(t.Context(), batch)
			if n != 0 || err == nil || is(err, core.ErrUnsupported) || is(err, core.ErrTooLarge) || is(err, core.ErrClosed) {
				t.Errorf("%d, %v", n, err)
			}
			put(t, s, batch...)
			stored(t, p, 1, 2, 3)

			p.play(once(stateName, func() verdict { return v }))
			x := snapshot(match, 1, 5)
			if err := s.WriteSnapshot(t.Context(), x); err == nil {
				t.Error("a snapshot was acknowledged whose outcome nobody knows")
			}
			if err := s.WriteSnapshot(t.Context(), x); err != nil || len(p.docs(stateName)) != 1 {
				t.Errorf("written again: %v, and %d are there", err, len(p.docs(stateName)))
			}
		})
	}
}

// TestInTheMiddle holds what is counted as stored when one of a batch fails.
func TestInTheMiddle(t *testing.T) {
	for code, kind := range map[int32]error{121: core.ErrRefused, 2: core.ErrUnsupported, 10334: core.ErrTooLarge, 14031: core.ErrRefused, 4711: core.ErrRefused} {
		p := newPeer(t)
		s := open(t, mongo.Config{URL: p.url()})
		batch := events(match, 1, 1, 20)
		p.play(once(eventsName, func() verdict { return verdict{skip: true, answer: writeErrors(7, code)} }))
		n, err := s.WriteEvents(t.Context(), batch)
		var bulk mongodrv.BulkWriteException
		if n != 7 || !is(err, kind) || !errors.As(err, &bulk) {
			t.Errorf("code %d: %d, %v", code, n, err)
		}
		put(t, s, batch...)
	}
}

// TestMixedFailure holds that events of one match do not count as stored because those
// of another one are.
func TestMixedFailure(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	batch := []core.Event{event("other-20240101T000000.000000000Z", 1, 1), event(match, 1, 1), event("other-20240101T000000.000000000Z", 1, 2), event(match, 1, 2)}
	p.play(always(eventsName, verdict{skip: true, answer: writeErrors(0, 121)}))
	if n, err := s.WriteEvents(t.Context(), batch); n != 1 || !is(err, core.ErrRefused) {
		t.Errorf("%d, %v", n, err)
	}
	p.play(nil)
	put(t, s, batch[1:]...)
	stored(t, p, 1, 2)
}

// TestDuplicate holds what happens when two writers insert the same at once, and when
// somebody's own index is in the way.
func TestDuplicate(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	left := []int32{3, 2} // at which place it fails, of what is sent each time
	p.play(func(c command) verdict {
		if c.name != "update" || c.body[0].Value != eventsName || len(left) == 0 {
			return verdict{}
		}
		at := left[0]
		left = left[1:]
		return verdict{skip: true, answer: writeErrors(at, 11000)}
	})
	p.seen()
	put(t, s, events(match, 1, 1, 6)...)
	var sizes []int
	for _, c := range p.seen("update") {
		if c.body[0].Value == eventsName {
			sizes = append(sizes, len(c.get("updates").(bson.A)))
		}
	}
	if !slices.Equal(sizes, []int{6, 3, 1}) {
		t.Errorf("sent were %d", sizes)
	}

	p.play(always(eventsName, verdict{skip: true, answer: writeErrors(0, 11000)}))
	n, err := s.WriteEvents(t.Context(), events(match, 2, 1, 2))
	if n != 0 || !is(err, core.ErrRefused) || !strings.Contains(err.Error(), "unique index") {
		t.Errorf("%d, %v", n, err)
	}
}

// TestNeverAnswers holds that every call ends with its context.
func TestNeverAnswers(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	put(t, s, event(match, 1, 1))
	silent := func(c command) verdict {
		return verdict{silent: !slices.Contains(hello, c.name)}
	}
	p.play(silent)
	for name, f := range map[string]func(ctx context.Context) error{
		"WriteSnapshot": func(ctx context.Context) error { return s.WriteSnapshot(ctx, snapshot(match, 1, 1)) },
		"WriteEvents":   func(ctx context.Context) error { _, err := s.WriteEvents(ctx, events(match, 1, 2, 3)); return err },
		"Latest":        func(ctx context.Context) error { _, err := s.Latest(ctx, match); return err },
		"Matches":       func(ctx context.Context) error { _, err := s.Matches(ctx); return err },
		"Events": func(ctx context.Context) (err error) {
			for _, err = range s.Events(ctx, match, 0, last) {
			}
			return err
		},
		"Snapshots": func(ctx context.Context) (err error) {
			for _, err = range s.Snapshots(ctx, match, 0, last) {
			}
			return err
		},
		"Open": func(ctx context.Context) error { _, err := mongo.Open(ctx, p.url()); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := f(ctx); !is(err, core.ErrTimeout) || !is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		p.play(func(c command) verdict {
			if v := silent(c); v.silent {
				cancel()
			}
			return silent(c)
		})
		if err := f(ctx); !is(err, context.Canceled) || is(err, core.ErrTimeout) || is(err, core.ErrRefused) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		cancel()
		p.play(silent)
	}
	p.play(nil)
	put(t, s, event(match, 1, 2))
}

func TestRefusals(t *testing.T) {
	for code, name := range map[int32]string{13: "Unauthorized", 26: "NamespaceNotFound", 73: "InvalidNamespace", 86: "IndexKeySpecsConflict", 238: "NotImplemented", 9999: "Whatever"} {
		p := newPeer(t)
		s := open(t, mongo.Config{URL: p.url()})
		p.play(func(c command) verdict {
			if slices.Contains(hello, c.name) {
				return verdict{}
			}
			return verdict{skip: true, answer: refusal(code, name)}
		})
		_, err := s.WriteEvents(t.Context(), events(match, 1, 1, 1))
		var answer mongodrv.CommandError
		if !is(err, core.ErrRefused) || is(err, core.ErrUnsupported) || !errors.As(err, &answer) || answer.Code != code || !strings.Contains(err.Error(), match) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParts holds that a snapshot of several documents is there as a whole or not at all.
func TestParts(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()}.WithPart(64<<10))
	if err := s.WriteSnapshot(t.Context(), snapshot(match, 1, 4)); err != nil {
		t.Fatal(err)
	}
	const n, size = 40, 4 << 10
	x := large(match, 5, n, size)
	writes := 0
	for fail := 1; ; fail++ {
		at := 0
		p.play(func(c command) verdict {
			if c.name != "update" || c.body[0].Value != stateName {
				return verdict{}
			}
			if at++; at == fail {
				return verdict{skip: true, answer: refusal(14031, "OutOfDiskSpace")}
			}
			return verdict{}
		})
		err := s.WriteSnapshot(t.Context(), x)
		got, e := s.Latest(t.Context(), match)
		if e != nil {
			t.Fatal(e)
		}
		if err == nil {
			writes = at
			check(t, got, 5, n, size)
			break
		}
		if got.Tick != 4 || !is(err, core.ErrRefused) {
			t.Fatalf("write %d failed with %v, and the latest snapshot is %d", fail, err, got.Tick)
		}
		count := 0
		for _, err := range s.Snapshots(t.Context(), match, 0, last) {
			if count++; err != nil {
				t.Fatal(err)
			}
		}
		if count != 1 {
			t.Fatalf("write %d failed, and there are %d snapshots", fail, count)
		}
	}
	if docs := p.docs(stateName); writes != 4 || len(docs) != 5 {
		t.Errorf("it went in %d writes, and there are %d documents", writes, len(docs))
	}
	p.play(nil)
	if err := s.WriteSnapshot(t.Context(), x); err != nil || len(p.docs(stateName)) != 5 {
		t.Errorf("written again: %v, %d documents", err, len(p.docs(stateName)))
	}
	for got, err := range s.Snapshots(t.Context(), match, 5, 5) {
		if err != nil {
			t.Fatal(err)
		}
		check(t, got, 5, n, size)
	}
	// Somebody deletes a part, and somebody adds fields.
	part := p.docs(stateName)[3].Lookup("_id").StringValue()
	p.mu.Lock()
	delete(p.store[stateName], part)
	p.mu.Unlock()
	if _, err := s.Latest(t.Context(), match); !is(err, core.ErrMalformed) || !strings.Contains(err.Error(), part) {
		t.Errorf("without a part: %v", err)
	}
}

// check wants the objects that large made.
func check(t *testing.T, x core.Snapshot, tick uint64, n, size int) {
	t.Helper()
	count := 0
	for o := range x.Objects {
		if count++; o.ID != uint64(count) || len(o.Fields) != 1 || len(o.Fields[0].Value.(string)) != size {
			t.Fatalf("object %d is %d", count, o.ID)
		}
	}
	if x.Tick != tick || count != n {
		t.Errorf("snapshot %d with %d objects came back, want %d with %d", x.Tick, count, tick, n)
	}
}

func TestTooLarge(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	if err := s.WriteSnapshot(t.Context(), large(match, 1, 1, mongo.MaxDocument)); !is(err, core.ErrTooLarge) {
		t.Errorf("one large object: %v", err)
	}
	if err := s.WriteSnapshot(t.Context(), large(match, 1, 1, mongo.MaxDocument-100)); err != nil {
		t.Errorf("one that fits: %v", err)
	}
	cut := open(t, mongo.Config{URL: p.url()}.WithPart(4<<10))
	if err := cut.WriteSnapshot(t.Context(), large(match, 2, mongo.MaxParts+1, 4000)); !is(err, core.ErrTooLarge) {
		t.Errorf("many parts: %v", err)
	}
	if err := cut.WriteSnapshot(t.Context(), large(match, 2, mongo.MaxParts, 4000)); err != nil {
		t.Errorf("as many parts as may be: %v", err)
	}
	if x, err := s.Latest(t.Context(), match); err != nil {
		t.Error(err)
	} else {
		check(t, x, 2, mongo.MaxParts, 4000)
	}
	twice := snapshot(match, 1, 3)
	twice.Objects = slices.Values([]core.ObjectState{{ID: 1, Fields: []core.Field{{Name: "a", Value: true}, {Name: "b"}, {Name: "a"}}}})
	if err := s.WriteSnapshot(t.Context(), twice); !is(err, core.ErrUnsupported) {
		t.Errorf("two fields of one name: %v", err)
	}
	late := snapshot(match, 1, 4)
	late.Time = time.Unix(1<<60, 0)
	if err := s.WriteSnapshot(t.Context(), late); !is(err, core.ErrUnsupported) {
		t.Errorf("a time that no date holds: %v", err)
	}
}

// TestDamaged reads documents that somebody has changed.
func TestDamaged(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url()})
	put(t, s, events(match, 1, 1, 3)...)
	if err := s.WriteSnapshot(t.Context(), snapshot(match, 1, 1)); err != nil {
		t.Fatal(err)
	}
	edit := func(collection, id string, change func(d bson.D) bson.D) {
		p.mu.Lock()
		defer p.mu.Unlock()
		var d bson.D
		if err := bson.Unmarshal(p.store[collection][id], &d); err != nil {
			t.Fatal(err)
		}
		raw, err := bson.Marshal(change(d))
		if err != nil {
			t.Fatal(err)
		}
		p.store[collection][id] = raw
	}
	const first = match + "/00000000000000000001/0000000000000000000"
	added := func(d bson.D) bson.D {
		return append(d, bson.E{Key: "note", Value: bson.NewObjectID()}, bson.E{Key: "n", Value: bson.NewDecimal128(1, 2)})
	}
	edit(eventsName, first+"1", added)
	edit(stateName, first+"1", added)
	if got := seqs(t, s, match, 0, last); len(got) != 3 {
		t.Errorf("with a field that was added, the events are %d", got)
	}
	set := func(name string, v any) func(d bson.D) bson.D {
		return func(d bson.D) bson.D {
			i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == name })
			d[i].Value = v
			return d
		}
	}
	edit(eventsName, first+"2", set("tick", "soon"))
	var errs []error
	for _, err := range s.Events(t.Context(), match, 0, last) {
		errs = append(errs, err)
	}
	if len(errs) != 2 || errs[0] != nil || !is(errs[1], core.ErrMalformed) || !strings.Contains(errs[1].Error(), first+"2") {
		t.Errorf("with one that is damaged: %v", errs)
	}
	for _, change := range []func(d bson.D) bson.D{set("count", int64(2)), set("objects", "none"), set("match", "other"), set("epoch", int64(2)),
		func(d bson.D) bson.D { return slices.DeleteFunc(d, func(e bson.E) bool { return e.Key == "objects" }) }} {
		p.mu.Lock()
		good := p.store[stateName][first+"1"]
		p.mu.Unlock()
		edit(stateName, first+"1", change)
		if _, err := s.Latest(t.Context(), match); !is(err, core.ErrMalformed) {
			t.Errorf("a snapshot that is damaged: %v", err)
		}
		p.mu.Lock()
		p.store[stateName][first+"1"] = good
		p.mu.Unlock()
	}
	edit("game-matches", match, set("state", "a$b"))
	if _, err := open(t, mongo.Config{URL: p.url()}).Latest(t.Context(), match); !is(err, core.ErrMalformed) {
		t.Errorf("an entry that is damaged: %v", err)
	}
}

// TestListedAgain holds that a match is listed again after a failover that took its entry
// back, which shows as a write that failed.
func TestListedAgain(t *testing.T) {
	p := newPeer(t)
	s := open(t, mongo.Config{URL: p.url() + "&retryWrites=false"})
	put(t, s, event(match, 1, 1))
	p.mu.Lock()
	clear(p.store["game-matches"])
	p.mu.Unlock()
	p.play(once(eventsName, func() verdict { return verdict{drop: true} }))
	if _, err := s.WriteEvents(t.Context(), events(match, 1, 2, 2)); err == nil {
		t.Fatal("no error")
	}
	put(t, s, event(match, 1, 2))
	if got := seqs(t, open(t, mongo.Config{URL: p.url()}), match, 0, last); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("the events are %d", got)
	}
}

func TestPlacesAreBounded(t *testing.T) {
	s := open(t, mongo.Config{})
	for i := range mongo.MaxPlaces + 2 {
		s.Remember(fmt.Sprint(i))
		if n := s.Known(); n > mongo.MaxPlaces {
			t.Fatalf("%d places are remembered", n)
		}
	}
}

func TestConfig(t *testing.T) {
	other, err := mongodrv.Connect(options.Client().ApplyURI("mongodb://127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Disconnect(t.Context())
	for _, c := range []mongo.Config{
		{URL: "http://host"}, {URL: "host"}, {URL: "mongodb://u:pa/ss@host/db"}, {URL: "mongodb://u:pa?ss@host"}, {URL: "mongodb://u:pa#ss@host"},
		{URL: "mongodb://u:%zzpass@host"}, {URL: "mongodb://host/%zz"}, {URL: "mongodb://host/?expire=pass"}, {URL: "mongodb://host/a.b"}, {URL: "mongodb://host/?w=0"},
		{URL: "mongodb://host", WriteConcern: writeconcern.Unacknowledged()}, {Expire: -1}, {Database: "a b"}, {Client: other, URL: "mongodb://host"},
		{Client: other, Database: strings.Repeat("x", 64)},
	} {
		s, err := mongo.New(c)
		if err == nil {
			s.Close(t.Context())
			t.Errorf("%+v was taken", c)
			continue
		}
		if !strings.HasPrefix(err.Error(), "mongo: ") || strings.Contains(c.URL, "@") && strings.Contains(err.Error(), "ss@") || strings.Contains(err.Error(), "zzpass") {
			t.Errorf("%s: %v", c.URL, err)
		}
	}
	for _, url := range []string{"mongodb://a:1,b:2,c/db?replicaSet=rs0&expire=1h&w=majority", "mongodb://user:p%40ss@host", "mongodb://host/", "mongodb://host?expire=1h", ""} {
		s, err := mongo.New(mongo.Config{URL: url})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestOpen(t *testing.T) {
	p := newPeer(t)
	s, err := mongo.Open(t.Context(), p.url())
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, event(match, 1, 1))
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Matches(t.Context()); !is(err, core.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mongo.Open(ended, p.url()); !is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	p.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := mongo.Open(ctx, p.url()); !is(err, core.ErrTimeout) {
		t.Errorf("with nobody there: %v", err)
	}
}

// TestNothingLeft holds that a sink which is closed has no goroutines.
func TestNothingLeft(t *testing.T) {
	p := newPeer(t)
	for range 3 {
		s := open(t, mongo.Config{URL: p.url()})
		put(t, s, events(match, 1, 1, 200)...)
		for range s.Events(t.Context(), match, 0, last) {
			break
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var stacks string
	for range 100 { // goroutines that were told to end may need a moment
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "mongo-driver") && !strings.Contains(stacks, "sink/mongo.") {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	t.Errorf("goroutines are left:\n%s", stacks)
}
