package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/parley-net/parley/core"
	osdisk "github.com/parley-net/parley/sink/internal/disk"
)

// Sink keeps what is written to it on disk and ships it to the sink that it wraps. New
// makes one. It is safe for concurrent use; it holds a folder, files and three
// goroutines until it is closed.
type Sink struct {
	cfg    Config
	common common
	lock   io.Closer
	notice notices

	events    *journal
	snapshots *journal
	refused   *journal // by the store; see ship.go

	latest   map[string]place // of the newest waiting snapshot of each match; guarded by snapshots.mu
	dropping sync.Mutex       // one makes room at a time
	counters counters
	high     atomic.Bool // above the mark

	chunk int // bytes of events that one call writes at once

	writers sync.Pool // of *writer

	mu       sync.Mutex
	closed   bool
	writes   int           // under way
	quiet    chan struct{} // closed when closed, and no write is under way
	draining chan struct{} // closed when no more frames come
	fresh    chan struct{} // frames came
	shipCtx  context.Context
	stopShip context.CancelFunc
	shipped  chan struct{} // closed when the shipper has ended
	done     chan struct{} // closed when all is closed, and closeErr is set
	closeErr error
}

var (
	_ core.SnapshotSink   = (*Sink)(nil)
	_ core.SnapshotReader = (*Sink)(nil)
)

// writer is what one call writes with.
type writer struct {
	buf  []byte
	done chan error
}

// New opens the spool in cfg.Dir, ships in the background what an earlier one left
// there, and takes cfg.Sink over: Close closes it. New fails, and leaves all as it is,
// with an error that wraps core.ErrRefused while another Sink has the folder, in this
// process or another, one that wraps core.ErrMalformed where a file is damaged, and the
// disk's where the folder cannot be read and written. An unfinished write at the end, as
// a crash leaves it, is no damage.
func New(cfg Config) (*Sink, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sink{
		cfg: cfg, latest: make(map[string]place),
		quiet: make(chan struct{}), draining: make(chan struct{}), fresh: make(chan struct{}, 1),
		shipped: make(chan struct{}), done: make(chan struct{}),
	}
	s.notice.log = cfg.Log
	s.writers.New = func() any { return &writer{done: make(chan error, 1)} }
	if s.common.disk = cfg.disk; s.common.disk == nil {
		if s.common.disk, err = openDir(cfg.Dir); err != nil {
			return nil, fmt.Errorf("spool: make the folder: %w", err)
		}
	}
	if s.lock, err = s.common.disk.Lock(); errors.Is(err, osdisk.ErrLocked) {
		return nil, core.Errorf(core.ErrRefused, "spool: %s is %w: give each sink a folder of its own, and close the one before", cfg.Dir, err)
	} else if err != nil {
		return nil, fmt.Errorf("spool: lock %s, which must be a folder to write to: %w", cfg.Dir, err)
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %s: %w", cfg.Dir, err), s.lock.Close())
	}
	s.shipCtx, s.stopShip = context.WithCancel(context.Background())
	go s.events.run()
	go s.snapshots.run()
	go s.ship()
	return s, nil
}

// open reads what an earlier Sink left.
func (s *Sink) open() error {
	limit := s.segment()
	s.chunk = int(min(chunkBytes, limit))
	s.events = newJournal(&s.common, "events", limit)
	s.snapshots = newJournal(&s.common, "snapshots", limit)
	s.refused = newJournal(&s.common, "refused", limit)
	s.snapshots.note = s.noteSnapshots
	fresh := func() {
		select {
		case s.fresh <- struct{}{}:
		default:
		}
	}
	s.events.committed, s.snapshots.committed = fresh, fresh
	names, err := s.common.disk.List()
	if err != nil {
		return err
	}
	r := recovery{names: names, salvage: s.cfg.Salvage, log: s.cfg.Log}
	// Snapshots that were dropped leave gaps between segments.
	if err := errors.Join(r.journal(s.events, false), r.journal(s.snapshots, true), r.journal(s.refused, false)); err != nil {
		return err
	}
	if st := s.Stats(); st.WaitingEvents+st.WaitingSnapshots+st.Refused > 0 {
		s.cfg.Log.Info("spool: an earlier process left records, which are shipped now",
			"dir", s.cfg.Dir, "events", st.WaitingEvents, "snapshots", st.WaitingSnapshots, "refused", st.Refused)
	}
	// A folder that cannot be written to should not be found out during a match.
	if _, err := s.events.create(); err != nil {
		return err
	}
	s.common.used.Add(headerSize)
	return nil
}

// segment returns the length of a segment.
func (s *Sink) segment() int64 { return min(segmentBytes, s.cfg.MaxBytes/16) }

// Unwrap returns the sink that s wraps, for what it can do besides.
func (s *Sink) Unwrap() core.SnapshotSink { return s.cfg.Sink }

func errClosed() error { return core.Errorf(core.ErrClosed, "spool: the sink is closed") }

// begin notes a write under way; end must follow if it returns nil.
func (s *Sink) begin(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("spool: nothing written: %w", err)
	}
	s.writes++
	return nil
}

func (s *Sink) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes--; s.closed && s.writes == 0 {
		close(s.quiet)
	}
}

// WriteEvents returns when events are on this machine's disk, fsync included: they
// survive the end of the process, and a loss of power as far as the disk tells the truth.
// They are shipped later. n counts those that are on disk for certain.
//
// It refuses an event with core.ErrUnsupported for a value that is no field value, with
// core.ErrTooLarge if it is longer than a record or the spool may be, and with
// core.ErrBackpressure while the spool is full; those before it are kept. An error of the
// disk is returned as it is: after one of fsync nothing more is taken, since nobody can
// know what is on disk; after any other the same may be written again. When ctx ends
// first, the events may or may not be kept. After Close it returns core.ErrClosed.
func (s *Sink) WriteEvents(ctx context.Context, events []core.Event) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	w := s.writers.Get().(*writer)
	for n < len(events) {
		var refused error
		count := 0
		w.buf = w.buf[:0]
		for n+count < len(events) {
			before := len(w.buf)
			if w.buf, refused = appendEvent(w.buf, &events[n+count]); refused != nil {
				break
			}
			if count > 0 && len(w.buf) > s.chunk {
				w.buf = w.buf[:before] // goes with the next
				break
			}
			count++
		}
		if count > 0 {
			known, err := s.write(ctx, s.events, w, count, "")
			if err != nil {
				err = fmt.Errorf("spool: event %d of match %q: %w", events[n].Seq, events[n].Match, err)
				s.release(w, known)
				return n, err
			}
			n += count
		}
		if refused != nil {
			err = fmt.Errorf("spool: event %d of match %q: %w", events[n].Seq, events[n].Match, refused)
			break
		}
	}
	s.release(w, true)
	return n, err
}

// WriteSnapshot returns when x is on this machine's disk, as WriteEvents does and with
// its errors. A snapshot may be dropped later for a newer one of its match, as
// Config.Full says.
func (s *Sink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	w := s.writers.Get().(*writer)
	known := true
	var err error
	if w.buf, err = appendSnapshot(ctx, w.buf[:0], &x); err == nil {
		known, err = s.write(ctx, s.snapshots, w, 1, x.Match)
	}
	s.release(w, known)
	if err != nil {
		return fmt.Errorf("spool: snapshot %d of match %q: %w", x.Tick, x.Match, err)
	}
	return nil
}

// write puts the records of w on disk; match is that of a snapshot. known is false if
// a later answer may come, so that w must not be used again.
func (s *Sink) write(ctx context.Context, j *journal, w *writer, count int, match string) (known bool, err error) {
	if err := s.common.err(); err != nil {
		return true, err
	}
	room := int64(len(w.buf)) + frameHead
	if err := s.reserve(room, match, j == s.snapshots); err != nil {
		return true, err
	}
	if err := j.append(ctx, w.buf, count, w.done); err != nil {
		s.common.used.Add(-room)
		return true, err
	}
	select {
	case err = <-w.done:
	case <-ctx.Done():
		return false, fmt.Errorf("it may or may not be kept: %w", ctx.Err())
	}
	if err == nil {
		s.markHigh()
	}
	return true, err
}

// release keeps w to be used again.
func (s *Sink) release(w *writer, known bool) {
	if known && cap(w.buf) <= keepBuffer {
		s.writers.Put(w)
	}
}
