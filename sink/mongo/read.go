package mongo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-net/parley/core"
)

const lastNumber = math.MaxUint64

// Matches returns the names of all matches in the list, in ascending order of their
// bytes.
func (s *Sink) Matches(ctx context.Context) ([]string, error) {
	all := []string{}
	o := options.Find().SetProjection(bson.D{{Key: "match", Value: 1}})
	for doc, err := range s.query(ctx, "list matches", s.matches, bson.D{}, o) {
		if err != nil {
			return nil, err
		}
		r := names{}.record(doc)
		name := r.text("match")
		if r.err != nil {
			return nil, fmt.Errorf("mongo: an entry in collection %s: %w", matchesName, r.err)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all, nil
}

// Latest returns the newest snapshot of a match, by epoch and then tick, or an error that
// wraps core.ErrNotFound. Its objects may be ranged over at any time.
func (s *Sink) Latest(ctx context.Context, match string) (core.Snapshot, error) {
	p, err := s.found(ctx, match)
	if err != nil {
		return core.Snapshot{}, err
	}
	o := options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(1)
	doing := fmt.Sprintf("read the latest snapshot of match %q", match)
	for doc, err := range s.query(ctx, doing, p.state, between(p.key, id{}, id{lastNumber, lastNumber}), o) {
		if err != nil {
			return core.Snapshot{}, err
		}
		return s.snapshot(ctx, names{}, p, match, doc)
	}
	return core.Snapshot{}, core.Errorf(core.ErrNotFound, "mongo: no snapshot of match %q in database %s", match, s.c.Database)
}

// Snapshots yields the snapshots of a match from one tick to another, as a cursor brings
// them. A match that is not stored has none. The loop may write, and may end early.
func (s *Sink) Snapshots(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
	return func(yield func(core.Snapshot, error) bool) {
		p, err := s.found(ctx, match)
		if errors.Is(err, core.ErrNotFound) {
			return
		}
		doing := fmt.Sprintf("read the snapshots of match %q", match)
		n := names{}
		for epoch := uint64(0); err == nil && from <= to; epoch++ {
			// Each epoch has a range of its own.
			var more bool
			if epoch, more, err = s.epoch(ctx, doing, p, epoch); err != nil || !more {
				break
			}
			o := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})
			for doc, e := range s.query(ctx, doing, p.state, between(p.key, id{epoch, from}, id{epoch, to}), o) {
				var x core.Snapshot
				if err = e; err == nil {
					x, err = s.snapshot(ctx, n, p, match, doc)
				}
				if err != nil {
					break
				}
				if !yield(x, nil) {
					return
				}
			}
			if epoch == lastNumber {
				break
			}
		}
		if err != nil {
			yield(core.Snapshot{}, err)
		}
	}
}

// Events yields the events of a match from one tick to another, as a cursor brings them.
// A match that is not stored has none. The loop may write, and may end early.
func (s *Sink) Events(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		p, err := s.found(ctx, match)
		if errors.Is(err, core.ErrNotFound) || err == nil && from > to {
			return
		}
		if err != nil {
			yield(core.Event{}, err)
			return
		}
		n := names{}
		filter := append(between(p.key, id{}, id{lastNumber, lastNumber}), ticks(from, to)...)
		o := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})
		for doc, err := range s.query(ctx, fmt.Sprintf("read the events of match %q", match), p.events, filter, o) {
			var e core.Event
			if err == nil {
				r := n.record(doc)
				e = r.event(match, p.key)
				err = s.damaged(p.events, r)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// found returns where a match is to be read.
func (s *Sink) found(ctx context.Context, match string) (place, error) {
	if err := s.begin(ctx); err != nil {
		return place{}, err
	}
	defer s.end()
	if p, ok := s.known(match); ok {
		return p, nil
	}
	return s.find(ctx, match)
}

// epoch returns the first epoch from the given one on that has snapshots.
func (s *Sink) epoch(ctx context.Context, doing string, p place, from uint64) (epoch uint64, ok bool, err error) {
	o := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(1).SetProjection(bson.D{{Key: "epoch", Value: 1}})
	for doc, err := range s.query(ctx, doing, p.state, between(p.key, id{epoch: from}, id{lastNumber, lastNumber}), o) {
		if err != nil {
			return 0, false, err
		}
		r := names{}.record(doc)
		epoch := r.number("epoch")
		if r.err == nil && epoch < from {
			r.err = malformed("it says that it is of epoch %d", epoch)
		}
		return epoch, true, s.damaged(p.state, r)
	}
	return 0, false, nil
}

// between filters the records of a match from one to another.
func between(key string, from, to id) bson.D {
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: from.of(key)}, {Key: "$lte", Value: to.of(key)}}}}
}

// ticks filters by tick. Those beyond the range of a long are texts, with which numbers
// are not compared.
func ticks(from, to uint64) bson.D {
	var longs, texts bson.D
	if from <= math.MaxInt64 {
		longs = bson.D{{Key: "tick", Value: bson.D{{Key: "$gte", Value: int64(from)}, {Key: "$lte", Value: int64(min(to, math.MaxInt64))}}}}
	}
	if to > math.MaxInt64 {
		text := func(n uint64) string { return string(appendDigits(nil, n)) }
		texts = bson.D{{Key: "tick", Value: bson.D{{Key: "$gte", Value: text(max(from, math.MaxInt64+1))}, {Key: "$lte", Value: text(to)}}}}
	}
	switch {
	case from == 0 && to == lastNumber:
		return nil
	case texts == nil:
		return longs
	case longs == nil:
		return texts
	}
	return bson.D{{Key: "$or", Value: bson.A{longs, texts}}}
}

// query yields the documents that a cursor brings. Each is valid until the next.
func (s *Sink) query(ctx context.Context, doing string, c *mongodrv.Collection, filter bson.D, o ...options.Lister[options.FindOptions]) iter.Seq2[bson.Raw, error] {
	return func(yield func(bson.Raw, error) bool) {
		var cursor *mongodrv.Cursor
		err := s.do(ctx, doing, func(ctx context.Context) (err error) {
			cursor, err = c.Find(ctx, filter, o...)
			return err
		})
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			_ = cursor.Close(ctx) // else the server forgets it by itself
		}()
		for {
			more := false
			err := s.do(ctx, doing, func(ctx context.Context) error {
				more = cursor.Next(ctx)
				return cursor.Err()
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if !more || !yield(cursor.Current, nil) {
				return
			}
		}
	}
}

// snapshot reads a snapshot, with its parts.
func (s *Sink) snapshot(ctx context.Context, n names, p place, match string, doc bson.Raw) (core.Snapshot, error) {
	r := n.record(doc)
	x, count, objects, parts := r.snapshot(match, p.key)
	if err := s.damaged(p.state, r); err != nil {
		return core.Snapshot{}, err
	}
	for i, part := range parts {
		doing := fmt.Sprintf("read part %d of snapshot %d of epoch %d of match %q", i, x.Tick, x.Epoch, match)
		var doc bson.Raw
		err := s.do(ctx, doing, func(ctx context.Context) (err error) {
			doc, err = p.state.FindOne(ctx, bson.D{{Key: "_id", Value: part}}).Raw()
			return err
		})
		if errors.Is(err, mongodrv.ErrNoDocuments) {
			return core.Snapshot{}, core.Errorf(core.ErrMalformed, "mongo: %s: there is no document with the _id %q, as if somebody had deleted it", doing, part)
		}
		if err != nil {
			return core.Snapshot{}, err
		}
		r := n.record(doc)
		more := r.objects()
		r.is(match, part)
		if err := s.damaged(p.state, r); err != nil {
			return core.Snapshot{}, err
		}
		objects = append(objects, more...)
	}
	if uint64(len(objects)) != count {
		r.err = malformed("it says that it has %d objects, and has %d", count, len(objects))
		return core.Snapshot{}, s.damaged(p.state, r)
	}
	x.Objects = slices.Values(objects)
	return x, nil
}

// damaged says where a document is that cannot be read.
func (s *Sink) damaged(c *mongodrv.Collection, r *record) error {
	if r.err == nil {
		return nil
	}
	name := "of another kind than a text"
	if v, ok := r.values["_id"]; ok {
		if text, err := v.text(); err == nil {
			name = text
		}
	}
	return fmt.Errorf("mongo: a document in collection %q, its _id %.200q: %w", c.Name(), name, r.err)
}
