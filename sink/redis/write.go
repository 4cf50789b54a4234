package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/parley-net/parley/core"
)

// Bounds of what is sent, in bytes unless they say otherwise.
const (
	// maxPart bounds the text in one command. A snapshot that is longer goes in parts.
	maxPart = 1 << 20
	// maxEvent bounds the text of an event.
	maxEvent = maxPart
	// maxSnapshot bounds the text of a snapshot: Redis holds it in one piece, and others
	// wait while it is copied there.
	maxSnapshot = 64 << 20
	// maxBatch is how many events are sent at once.
	maxBatch = 256
)

// partLife is how long the parts of a snapshot stay of which nothing comes any more.
const partLife = 10 * time.Minute

// WriteSnapshot stores x, unless a snapshot with the same match, epoch and tick is there,
// and makes it the latest if it is. It returns when Redis has it in memory. Readers see
// all of it or nothing. A value that is no field value is refused with
// core.ErrUnsupported, and a snapshot whose JSON is longer than 64 MiB with
// core.ErrTooLarge: nothing of these is stored. After core.ErrTimeout, and after other
// errors that say so, it may be stored; writing it again is safe.
func (s *Sink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	w := snapshotWriter{s: s, match: x.Match, buf: s.buffer()}
	w.buf = appendBegin(w.buf, x)
	n := 0
	if x.Objects != nil {
		for o := range x.Objects {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("redis: snapshot %d of epoch %d of match %q given up after %d objects: %w", x.Tick, x.Epoch, x.Match, n, err)
			}
			var err error
			if w.buf, err = appendObject(w.buf, n, o); err != nil {
				return fmt.Errorf("redis: snapshot %d of epoch %d of match %q: %w", x.Tick, x.Epoch, x.Match, err)
			}
			if err := w.flush(ctx); err != nil {
				return err
			}
			n++
		}
	}
	w.buf = append(w.buf, objectsEnd...)
	if err := w.commit(ctx, x); err != nil {
		return err
	}
	s.recycle(w.buf)
	return nil
}

// buffer returns an empty buffer.
func (s *Sink) buffer() []byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, 16<<10)
}

// recycle takes a buffer back after success. After an error, a command that was given up
// may still read it.
func (s *Sink) recycle(buf []byte) {
	if cap(buf) <= 2*maxPart {
		s.buffers.Put(&buf)
	}
}

// snapshotWriter sends the text of a snapshot while it is made.
type snapshotWriter struct {
	s     *Sink
	match string
	buf   []byte // not sent yet
	key   string // of the parts that were; empty if there are none
	sent  int    // bytes in these
}

// flush sends what is ready to go as a part.
func (w *snapshotWriter) flush(ctx context.Context) error {
	if w.sent+len(w.buf) > maxSnapshot {
		return core.Errorf(core.ErrTooLarge, "redis: a snapshot of match %q has more than %d bytes of JSON: share fewer objects, or take another store", w.match, maxSnapshot)
	}
	for len(w.buf) > maxPart {
		if w.key == "" {
			w.key = w.s.part(w.match, rand.Text())
		}
		part := call{partScript, []string{w.key}, []any{w.sent, w.buf[:maxPart], partLife.Milliseconds()}}
		if err := w.s.run(ctx, fmt.Sprintf("write a part of a snapshot of match %q", w.match), part); err != nil {
			return err
		}
		w.sent += maxPart
		w.buf = w.buf[:copy(w.buf, w.buf[maxPart:])]
	}
	return nil
}

// commit sends the rest, with which the snapshot is there.
func (w *snapshotWriter) commit(ctx context.Context, x core.Snapshot) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	s := w.s
	keys := s.keys(x.Match)
	if w.key != "" {
		keys = append(keys, w.key)
	}
	args := []any{s.c.KeepSnapshots, s.life, x.Epoch, x.Tick, w.sent, w.buf}
	return s.run(ctx, fmt.Sprintf("write snapshot %d of epoch %d of match %q", x.Tick, x.Epoch, x.Match),
		call{snapshotScript, keys, args}, s.list(x.Match))
}

// list is the call that puts matches into the index. It comes with each write, so that the
// index is as lasting as what it lists.
func (s *Sink) list(matches ...any) call {
	return call{indexScript, []string{s.index()}, append([]any{s.life}, matches...)}
}

// WriteEvents stores events, each unless one with the same match, epoch and number is
// there, and returns how many from the front Redis has in memory. It sends them in batches
// of at most 256 events and 1 MiB; after an error some of the batch that failed may be
// stored, and writing them again is safe. An event that holds a value that is no field
// value, or has the number 0, is refused with core.ErrUnsupported, and one whose JSON is
// longer than 1 MiB with core.ErrTooLarge; those before it are stored.
func (s *Sink) WriteEvents(ctx context.Context, events []core.Event) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	buf := s.buffer()
	for n < len(events) {
		var b batch
		if buf, err = b.fill(s, buf[:0], events[n:]); b.count > 0 {
			doing := fmt.Sprintf("write events %d to %d of match %q", events[n].Seq, events[n+b.count-1].Seq, events[n].Match)
			if err := s.run(ctx, doing, append(b.calls, s.list(b.matches...))...); err != nil {
				return n, err
			}
		}
		n += b.count
		if err != nil {
			return n, fmt.Errorf("redis: event %d of epoch %d of match %q: %w", events[n].Seq, events[n].Epoch, events[n].Match, err)
		}
	}
	s.recycle(buf)
	return n, nil
}

// batch is what is sent of events at once.
type batch struct {
	count   int
	matches []any
	calls   []call // one for each match
}

// fill takes events up to what fits, or to the first that is refused. Their texts are in
// buf, which is returned.
func (b *batch) fill(s *Sink, buf []byte, events []core.Event) ([]byte, error) {
	for _, e := range events[:min(len(events), maxBatch)] {
		if e.Seq == 0 {
			return buf, core.Errorf(core.ErrUnsupported, "events are numbered from 1")
		}
		out, err := appendEvent(buf, e)
		if err != nil {
			return buf, err
		}
		size := len(out) - len(buf)
		if size > maxEvent {
			return buf, core.Errorf(core.ErrTooLarge, "its JSON has %d bytes, and an event may have %d", size, maxEvent)
		}
		if len(out) > maxPart {
			return buf, nil
		}
		c := b.of(s, e.Match)
		c.args = append(c.args, id{e.Epoch, e.Seq}.String(), out[len(buf):])
		buf = out
		b.count++
	}
	return buf, nil
}

// of returns the call for a match.
func (b *batch) of(s *Sink, match string) *call {
	for i, m := range b.matches {
		if m == match {
			return &b.calls[i]
		}
	}
	b.matches = append(b.matches, match)
	b.calls = append(b.calls, call{eventsScript, s.keys(match), []any{strconv.Itoa(s.c.KeepEvents), s.life}})
	return &b.calls[len(b.calls)-1]
}
