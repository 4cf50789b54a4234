package mongo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/parley-net/parley/core"
)

// Bounds of what is sent, in bytes unless they say otherwise.
const (
	// maxPart is the size from which a snapshot goes in several documents.
	maxPart = 8 << 20
	// maxDocument bounds a document. MongoDB takes 16 MiB.
	maxDocument = 15 << 20
	// maxParts is how many documents a snapshot may have.
	maxParts = 64
	// maxBatch is how many events are sent at once.
	maxBatch = 256
)

// write is a document to store under an _id: the update that does it.
type write struct {
	id     string
	update []byte // {$setOnInsert: {…}}
}

// put stores documents in order, each unless there is one under its _id, and returns how
// many from the front are stored for certain.
func (s *Sink) put(ctx context.Context, doing string, c *mongodrv.Collection, list []write) (n int, err error) {
	models := make([]mongodrv.WriteModel, len(list))
	for i, w := range list {
		models[i] = mongodrv.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: w.id}}).SetUpdate(bson.Raw(w.update)).SetUpsert(true)
	}
	for again := -1; n < len(models); {
		err := s.call(ctx, doing, func(ctx context.Context) error {
			_, err := c.BulkWrite(ctx, models[n:])
			return err
		})
		if err == nil {
			return len(models), nil
		}
		var bulk mongodrv.BulkWriteException
		if !errors.As(err, &bulk) || len(bulk.WriteErrors) == 0 || bulk.WriteConcernError != nil {
			return n, err
		}
		at := n + bulk.WriteErrors[0].Index // those before it are stored, none behind it
		n = at
		// Two that insert the same meet: the one that came too late finds the document if it
		// looks again. A second time, it is an index of somebody else's that refuses it.
		if !mongodrv.IsDuplicateKeyError(bulk.WriteErrors[0]) || again == at {
			return n, err
		}
		again = at
	}
	return n, nil
}

// buffer returns an empty buffer.
func (s *Sink) buffer() []byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 16<<10)
}

func (s *Sink) recycle(buf []byte) {
	if cap(buf) <= 2*maxPart {
		s.buffers.Put(&buf)
	}
}

// WriteSnapshot stores x, unless a snapshot with the same match, epoch and tick is there.
// It returns when as much of MongoDB has it as Config.WriteConcern says. Readers see all
// of it or nothing. A value that is no field value is refused with core.ErrUnsupported; an
// object larger than 15 MiB, and a snapshot of more than 64 documents of 8 MiB, with
// core.ErrTooLarge: no reader ever sees anything of these. After core.ErrTimeout, and
// after other errors that leave it open, it may be stored; writing it again is safe.
func (s *Sink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	w := snapshotWriter{s: s, x: x, list: s.buffer(), update: s.buffer()}
	w.doing = fmt.Sprintf("write snapshot %d of epoch %d of match %q", x.Tick, x.Epoch, x.Match)
	err := w.write(ctx)
	s.recycle(w.list)
	s.recycle(w.update)
	return err
}

// snapshotWriter makes the documents of a snapshot.
type snapshotWriter struct {
	s      *Sink
	x      core.Snapshot
	doing  string
	list   []byte // objects, as an array
	count  int    // of objects in it
	all    int    // of objects so far
	update []byte // the last document that was made
	parts  []string
}

func (w *snapshotWriter) refuse(err error) error { return fmt.Errorf("mongo: %s: %w", w.doing, err) }

func (w *snapshotWriter) write(ctx context.Context) error {
	if _, _, err := date(w.x.Time); err != nil {
		return w.refuse(err)
	}
	w.list, _ = begin(w.list)
	if w.x.Objects != nil {
		for o := range w.x.Objects {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("mongo: %s: given up after %d objects: %w", w.doing, w.all, err)
			}
			at := len(w.list)
			w.list = item(w.list, w.count)
			body := len(w.list)
			var err error
			if w.list, err = appendObject(w.list, at, o); err != nil {
				return w.refuse(err)
			}
			if size := len(w.list) - body; size > maxDocument {
				return w.refuse(core.Errorf(core.ErrTooLarge, "object %d has %d bytes, and may have %d", o.ID, size, maxDocument))
			}
			if len(w.list) > w.s.c.part && w.count > 0 { // the object begins the next part
				object := append([]byte(nil), w.list[body:]...)
				w.list = end(w.list[:at], 0)
				if err := w.part(ctx); err != nil {
					return err
				}
				w.list, _ = begin(w.list[:0])
				w.list = append(item(w.list, 0), object...)
				w.list[4] = kindDoc
				w.count = 0
			}
			w.count++
			w.all++
		}
	}
	w.list = end(w.list, 0)
	return w.head(ctx)
}

// open begins the document of a snapshot or of a part; close ends it.
func (w *snapshotWriter) open(slack time.Duration) (doc, set int) {
	b := w.update[:0]
	b, doc = begin(b)
	b, set = begin(element(b, kindDoc, "$setOnInsert"))
	b = appendText(b, "match", w.x.Match)
	b = appendNumber(appendNumber(b, "epoch", w.x.Epoch), "tick", w.x.Tick)
	b, _ = appendTime(b, w.x.Time) // is one that can be written
	if ms := w.s.expires(slack); ms != 0 {
		b = appendDate(b, "expires", ms)
	}
	w.update = b
	return doc, set
}

// send stores the document, which end has not ended yet.
func (w *snapshotWriter) send(ctx context.Context, p place, id string, doc, set int) error {
	w.update = end(end(w.update, set), doc)
	_, err := w.s.put(ctx, w.doing, p.state, []write{{id, w.update}})
	if err != nil {
		w.s.forget(w.x.Match)
	}
	return err
}

// part stores the list as a part, which nobody sees until the head names it. Its name
// tells what is in it, so that a snapshot is never put together from two writes.
func (w *snapshotWriter) part(ctx context.Context) error {
	if len(w.parts) == maxParts {
		return w.refuse(core.Errorf(core.ErrTooLarge, "it has more than %d documents of %d MiB: share fewer objects, or shorter values", maxParts, maxPart>>20))
	}
	p, err := w.s.settle(ctx, w.x.Match, w.x.Time)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(w.list)
	id := partID(p.key, id{w.x.Epoch, w.x.Tick}, len(w.parts), sum[:8])
	doc, set := w.open(partSlack)
	w.update = append(element(appendLong(w.update, "part", int64(len(w.parts))), kindArray, "objects"), w.list...)
	w.parts = append(w.parts, id)
	return w.send(ctx, p, id, doc, set)
}

// head stores what makes the snapshot be there: with the list if that is all.
func (w *snapshotWriter) head(ctx context.Context) error {
	if len(w.parts) > 0 {
		if err := w.part(ctx); err != nil {
			return err
		}
	}
	p, err := w.s.settle(ctx, w.x.Match, w.x.Time)
	if err != nil {
		return err
	}
	doc, set := w.open(0)
	w.update = appendLong(w.update, "count", int64(w.all))
	if len(w.parts) == 0 {
		w.update = append(element(w.update, kindArray, "objects"), w.list...)
	} else {
		b, list := begin(element(w.update, kindArray, "parts"))
		for i, id := range w.parts {
			b = stringPayload(element(b, kindText, strconv.Itoa(i)), id)
		}
		w.update = end(b, list)
	}
	return w.send(ctx, p, id{w.x.Epoch, w.x.Tick}.of(p.key), doc, set)
}

// partID names a part. Parts are behind all snapshots and events of the match.
func partID(key string, i id, n int, sum []byte) string {
	b := append(append([]byte(nil), key...), "/part"...)
	b = appendID(b, "", i)
	return fmt.Sprintf("%s/%02d-%x", b, n, sum)
}

// WriteEvents stores events, each unless one with the same match, epoch and number is
// there, and returns how many from the front are as safe as Config.WriteConcern says. It
// sends them in batches of at most 256 events and 8 MiB; after an error some of the batch
// that failed may be stored, and writing them again is safe. An event that holds a value
// that is no field value, or has the number 0, is refused with core.ErrUnsupported, and
// one larger than 15 MiB with core.ErrTooLarge; those before it are stored.
func (s *Sink) WriteEvents(ctx context.Context, events []core.Event) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	b := batch{s: s, buf: s.buffer()}
	defer func() { s.recycle(b.buf) }()
	for n < len(events) {
		refused := b.fill(events[n:])
		stored, err := b.send(ctx, events[n:n+len(b.ends)])
		if n += stored; err != nil {
			return n, err
		}
		if refused != nil {
			e := &events[n]
			return n, fmt.Errorf("mongo: write event %d of epoch %d of match %q: %w", e.Seq, e.Epoch, e.Match, refused)
		}
	}
	return n, nil
}

// batch is what is sent of events at once.
type batch struct {
	s    *Sink
	buf  []byte // their documents
	ends []int  // where each ends
}

// fill takes events up to what fits, or to the first that is refused, and returns why
// that is.
func (b *batch) fill(events []core.Event) error {
	b.buf, b.ends = b.buf[:0], b.ends[:0]
	for _, e := range events[:min(len(events), maxBatch)] {
		if e.Seq == 0 {
			return core.Errorf(core.ErrUnsupported, "events are numbered from 1")
		}
		from := len(b.buf)
		buf, doc := begin(b.buf)
		buf, set := begin(element(buf, kindDoc, "$setOnInsert"))
		buf, err := appendEvent(buf, e)
		if err != nil {
			b.buf = buf[:from]
			return err
		}
		if ms := b.s.expires(0); ms != 0 {
			buf = appendDate(buf, "expires", ms)
		}
		buf = end(end(buf, set), doc)
		b.buf = buf[:from]
		if size := len(buf) - from; size > maxDocument {
			return core.Errorf(core.ErrTooLarge, "it has %d bytes, and may have %d", size, maxDocument)
		}
		if from > 0 && len(buf) > b.s.c.part {
			return nil // in the next batch
		}
		b.buf, b.ends = buf, append(b.ends, len(buf))
	}
	return nil
}

// send stores the events that were taken, match by match, and returns how many from the
// front are stored for certain.
func (b *batch) send(ctx context.Context, events []core.Event) (n int, err error) {
	stored := make([]bool, len(events))
	for i := range events {
		if !stored[i] && err == nil {
			err = b.sendMatch(ctx, events, i, stored)
		}
	}
	for n < len(stored) && stored[n] {
		n++
	}
	return n, err
}

// sendMatch stores the events of the match of events[first], and notes those that are.
func (b *batch) sendMatch(ctx context.Context, events []core.Event, first int, stored []bool) error {
	match := events[first].Match
	p, err := b.s.settle(ctx, match, events[first].Time)
	if err != nil {
		return err
	}
	var list []write
	var at []int // in events
	from := 0
	for i, to := range b.ends {
		if events[i].Match == match {
			list = append(list, write{id{events[i].Epoch, events[i].Seq}.of(p.key), b.buf[from:to:to]})
			at = append(at, i)
		}
		from = to
	}
	doing := fmt.Sprintf("write events %d to %d of match %q", events[first].Seq, events[at[len(at)-1]].Seq, match)
	n, err := b.s.put(ctx, doing, p.events, list)
	for _, i := range at[:n] {
		stored[i] = true
	}
	if err != nil {
		b.s.forget(match)
	}
	return err
}
