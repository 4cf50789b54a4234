package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-net/parley/core"
)

const (
	// maxPlaces bounds the matches of which is known where they are.
	maxPlaces = 1024
	// placeLife is how long that is taken for granted. Then the match is listed again, in
	// case that its entry is gone: a failover may take back what no majority had.
	placeLife = time.Minute
	// partSlack is how much longer parts are kept than the snapshot that names them, so
	// that no reader finds it without them.
	partSlack = time.Hour
)

// place is where a match is.
type place struct {
	key           string
	state, events *mongodrv.Collection
	until         time.Time // when to look again
}

// expires returns when what is written now may go; it is zero without Config.Expire.
func (s *Sink) expires(later time.Duration) (ms int64) {
	if s.c.Expire == 0 {
		return 0
	}
	return time.Now().Add(s.c.Expire + later).UnixMilli()
}

func (s *Sink) known(match string) (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[match]
	return p, ok && time.Now().Before(p.until)
}

func (s *Sink) remember(match string, p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.places) >= maxPlaces {
		clear(s.places)
	}
	p.until = time.Now().Add(placeLife)
	s.places[match] = p
}

func (s *Sink) forget(match string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, match)
}

// find returns where a match is; its error wraps core.ErrNotFound if it is nowhere.
func (s *Sink) find(ctx context.Context, match string) (place, error) {
	p := place{key: keyOf(match)}
	doing := fmt.Sprintf("look for match %q", match)
	var doc bson.Raw
	err := s.call(ctx, doing, func(ctx context.Context) (err error) {
		doc, err = s.matches.FindOne(ctx, bson.D{{Key: "_id", Value: p.key}}).Raw()
		return err
	})
	if errors.Is(err, mongodrv.ErrNoDocuments) {
		return p, core.Errorf(core.ErrNotFound, "mongo: database %s has no match %q", s.c.Database, match)
	}
	if err != nil {
		return p, err
	}
	r := names{}.record(doc)
	name, state, events := r.text("match"), r.text("state"), r.text("events")
	switch {
	case r.err != nil:
	case name != match:
		r.err = malformed("it is of match %.200q", name)
	case checkCollection(state) != nil || checkCollection(events) != nil || state == events:
		r.err = malformed("%.200q and %.200q are no collections for a match", state, events)
	}
	if r.err != nil {
		return p, fmt.Errorf("mongo: the entry %q in collection %s: %w", p.key, matchesName, r.err)
	}
	p.state, p.events = s.db.Collection(state), s.db.Collection(events)
	return p, nil
}

// settle returns where a match is to be written. One that is new gets its collections,
// with their indexes, and an entry in the list. first is the time of the record that comes.
func (s *Sink) settle(ctx context.Context, match string, first time.Time) (place, error) {
	if p, ok := s.known(match); ok {
		return p, nil
	}
	p, err := s.find(ctx, match)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return p, err
	}
	if err := s.list(ctx, match, p.key, first); err != nil {
		return p, err
	}
	if p.state == nil {
		if p, err = s.find(ctx, match); err != nil { // what another writer said counts
			return p, err
		}
	}
	if err := s.index(ctx, p); err != nil {
		return p, err
	}
	s.remember(match, p)
	return p, nil
}

// list writes the entry of a match, unless it is there, and keeps it for as long as what
// is written in the next time.
func (s *Sink) list(ctx context.Context, match, key string, first time.Time) error {
	start, _ := startOf(match, first)
	name := s.c.Collections
	if name == nil {
		name = defaultCollections
	}
	state, events := name(match, start)
	if err := errors.Join(checkCollection(state), checkCollection(events)); err != nil {
		return err
	}
	if state == events {
		return core.Errorf(core.ErrMalformed, "mongo: Config.Collections returned %q for both the snapshots and the events of match %q: take two collections", state, match)
	}
	expires := s.expires(2 * placeLife)
	doc, at := begin(nil)
	doc, set := begin(element(doc, kindDoc, "$setOnInsert"))
	doc = appendText(doc, "match", match)
	ms, _, err := date(start)
	if err != nil {
		return err
	}
	doc = appendDate(doc, "start", ms)
	doc = appendString(appendString(doc, "state", state), "events", events)
	keep := bson.D{{Key: "$unset", Value: bson.D{{Key: "expires", Value: ""}}}}
	if expires != 0 {
		doc = appendDate(doc, "expires", expires)
		keep = bson.D{{Key: "$max", Value: bson.D{{Key: "expires", Value: bson.DateTime(expires)}}}}
	}
	if _, err := s.put(ctx, fmt.Sprintf("list match %q", match), s.matches, []write{{key, end(end(doc, set), at)}}); err != nil {
		return err
	}
	// One that is to be kept for ever stays so: older records of it do.
	return s.call(ctx, fmt.Sprintf("keep match %q listed", match), func(ctx context.Context) error {
		_, err := s.matches.UpdateOne(ctx, bson.D{{Key: "_id", Value: key}, {Key: "expires", Value: bson.D{{Key: "$exists", Value: true}}}}, keep)
		return err
	})
}

// index makes what indexes are missing.
func (s *Sink) index(ctx context.Context, p place) error {
	// In the order of events, and those out of a range of ticks need not be looked at.
	ticks := mongodrv.IndexModel{Keys: bson.D{{Key: "_id", Value: 1}, {Key: "tick", Value: 1}}}
	expiry := mongodrv.IndexModel{Keys: bson.D{{Key: "expires", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0)}
	make := func(c *mongodrv.Collection, list ...mongodrv.IndexModel) error {
		return s.call(ctx, fmt.Sprintf("make indexes of collection %q", c.Name()), func(ctx context.Context) error {
			_, err := c.Indexes().CreateMany(ctx, list)
			return err
		})
	}
	if s.c.Expire == 0 {
		return make(p.events, ticks)
	}
	for _, c := range []*mongodrv.Collection{s.matches, p.state} {
		if err := make(c, expiry); err != nil {
			return err
		}
	}
	return make(p.events, ticks, expiry)
}
