package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/parley-net/parley/core"
)

// spillSize is how many bytes of a write are gathered in memory before they go to the
// file. It is also what is kept of a buffer from one write to the next.
const spillSize = 256 << 10

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// buffer gathers lines.
type buffer struct {
	bytes []byte
	lines []line // of events, and the first of the file
}

// line is a line in a buffer.
type line struct {
	key
	size  int64
	event int // its place in the batch; -1 for the first line of the file
}

func (b *buffer) reset() { b.bytes, b.lines = b.bytes[:0], b.lines[:0] }

func (b *buffer) free() {
	if b.reset(); cap(b.bytes) <= 2*spillSize {
		buffers.Put(b)
	}
}

// reaches tells whether an event must not join those in the buffer: there are enough,
// or it does not come behind them, and may be one of them.
func (b *buffer) reaches(e *core.Event) bool {
	if len(b.lines) == 0 {
		return false
	}
	last := b.lines[len(b.lines)-1]
	return len(b.bytes) >= spillSize || e.Epoch < last.epoch || e.Epoch == last.epoch && e.Seq <= last.seq
}

// write calls with the turn to write to a match, whose file is open if there is one.
func (j *journal) write(ctx context.Context, with func() error) error {
	if err := ctx.Err(); err != nil {
		return j.wrap("write", err)
	}
	if err := j.take(ctx); err != nil {
		return err
	}
	defer j.give()
	if err := j.sink.poison(j.match); err != nil {
		return err
	}
	if err := j.open(ctx); err != nil {
		return err
	}
	if j.f != nil {
		err := j.check(j.f, func(size int64) bool { return size == j.x.end })
		if errors.Is(err, errChanged) {
			return j.poison(err)
		}
		if err != nil {
			return j.wrap("write", err)
		}
	}
	return with()
}

// WriteSnapshot stores x unless there is one with its match, epoch and tick: writing
// it again is how a caller finds out that it is stored. It goes to the file in pieces
// of 256 KiB while its objects are ranged over, so that its size does not matter; until
// its last line is written it does not count, and after an error or a crash nothing
// of it is left. It returns when the bytes are as safe as Config.Ack says.
//
// Errors: core.ErrClosed after Close, core.ErrUnsupported for a value that is no field
// value, core.ErrTooLarge for an object that takes more than 16 MiB as JSON, else what
// went wrong with the disk, or the cause of ctx. If ctx ends while only the disk is
// waited for, the snapshot is stored and may be lost with the power.
func (s *Sink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	j, err := s.journal(x.Match)
	if err != nil {
		return err
	}
	defer s.leave(j)
	if err := j.write(ctx, func() error { return j.writeSnapshot(ctx, x) }); err != nil {
		return err
	}
	return s.wait(ctx, j, j.flush())
}

func (j *journal) writeSnapshot(ctx context.Context, x core.Snapshot) (err error) {
	if j.x.hasSnapshot(x.Epoch, x.Tick) {
		return nil
	}
	b := buffers.Get().(*buffer)
	defer b.free()
	at := j.x.end // where the buffer goes
	p := place{epoch: x.Epoch, tick: x.Tick, at: at, line: j.x.lines + 1}
	if j.x.lines == 0 {
		b.bytes = j.form.appendFirst(b.bytes)
		p.at, p.line = int64(len(b.bytes)), 2
	}
	begun, done := false, false
	spill := func() error {
		begun = true
		if err := j.create(); err != nil {
			return err
		}
		n, err := j.f.WriteAt(b.bytes, at)
		at += int64(n)
		b.reset()
		return err
	}
	defer func() { // also if the caller's iterator panics
		if begun && !done {
			err = j.cutBack(err)
		}
	}()
	mark := stamp(x)
	b.bytes = j.form.appendSnapshot(b.bytes, mark)
	if x.Objects != nil {
		for o := range x.Objects {
			if ctx.Err() != nil {
				return j.wrap("write", fmt.Errorf("snapshot %d/%d given up after %d objects: %w", x.Epoch, x.Tick, p.objects, ctx.Err()))
			}
			if b.bytes, err = j.form.appendObject(b.bytes, mark, o); err != nil {
				return j.wrap("write", fmt.Errorf("object %d of snapshot %d/%d: %w", o.ID, x.Epoch, x.Tick, err))
			}
			p.objects++
			if len(b.bytes) >= spillSize {
				if err := spill(); err != nil {
					return j.wrap("write", err)
				}
			}
		}
	}
	b.bytes = j.form.appendEnd(b.bytes, mark, p.objects)
	if err := spill(); err != nil {
		return j.wrap("write", err)
	}
	done = true
	p.size = at - p.at
	j.mu.Lock()
	defer j.mu.Unlock()
	j.x.end = at
	j.x.lines = p.line + int64(p.objects) + 1
	j.x.addSnapshot(p)
	return nil
}

// create makes the file if there is none, and sees to it that it is found again after
// a loss of power.
func (j *journal) create() error {
	if j.f == nil {
		f, err := j.sink.c.disk.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		if err := j.setState(f, index{}, true); err != nil {
			return err
		}
	}
	if j.x.end == 0 {
		return j.sink.c.disk.SyncDir(j.sink.c.Dir)
	}
	return nil
}

// cutBack makes the file end where the index does, after a write that failed.
func (j *journal) cutBack(cause error) error {
	j.mu.Lock()
	if j.x.lines == 1 {
		j.x, j.synced = index{}, 0 // a first line alone would be a match with nothing in it
	}
	j.mu.Unlock()
	if j.f == nil {
		return cause
	}
	if err := j.f.Truncate(j.x.end); err != nil {
		return j.poison(fmt.Errorf("half a record is in it, and cannot be cut off: %w", errors.Join(cause, err)))
	}
	return cause
}

// WriteEvents stores events, each unless there is one with its match, epoch and number,
// and returns how many from the front are stored and as safe as Config.Ack says. What
// it cannot write it leaves out, from the first such event on; the errors are those of
// WriteSnapshot.
func (s *Sink) WriteEvents(ctx context.Context, events []core.Event) (n int, err error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	var parts []part
	defer func() {
		for _, p := range parts {
			s.leave(p.j)
		}
	}()
	for n < len(events) && err == nil {
		p := part{first: n}
		if p.j, err = s.journal(events[n].Match); err != nil {
			break
		}
		parts = append(parts, p)
		end := n + 1
		for end < len(events) && events[end].Match == p.j.match {
			end++
		}
		err = p.j.write(ctx, func() error {
			stored, err := p.j.writeEvents(events[p.first:end])
			n += stored
			return err
		})
	}
	for _, p := range parts {
		p.j.flush() // all of them before the wait for one
	}
	for _, p := range parts {
		if failed := s.wait(ctx, p.j, p.j.flush()); failed != nil {
			return min(n, p.first), failed
		}
	}
	return n, err
}

// part is a part of a batch, of one match.
type part struct {
	j     *journal
	first int // of its events
}

// writeEvents writes events and returns how many from the front are in the file.
func (j *journal) writeEvents(events []core.Event) (n int, err error) {
	b := buffers.Get().(*buffer)
	defer b.free()
	for i, e := range events {
		if b.reaches(&e) {
			if n, err := j.put(b); err != nil {
				return n, err
			}
		}
		if j.x.hasEvent(e.Epoch, e.Seq) {
			continue
		}
		from := len(b.bytes)
		b.bytes, err = j.form.appendEvent(b.bytes, e)
		if err != nil {
			if n, err := j.put(b); err != nil {
				return n, err
			}
			return i, j.wrap("write", fmt.Errorf("event %d/%d: %w", e.Epoch, e.Seq, err))
		}
		b.lines = append(b.lines, line{key{e.Epoch, e.Seq, e.Tick}, int64(len(b.bytes) - from), i})
	}
	if n, err := j.put(b); err != nil {
		return n, err
	}
	return len(events), nil
}

// put writes what is in the buffer and empties it. If that fails it returns the first
// event that is not in the file.
func (j *journal) put(b *buffer) (n int, err error) {
	if len(b.lines) == 0 {
		return 0, nil
	}
	n = b.lines[0].event
	if err := j.create(); err != nil {
		return n, j.wrap("write", err)
	}
	if j.x.lines == 0 {
		first := j.form.appendFirst(nil)
		b.bytes = slices.Insert(b.bytes, 0, first...)
		b.lines = slices.Insert(b.lines, 0, line{size: int64(len(first)), event: -1})
	}
	wrote, err := j.f.WriteAt(b.bytes, j.x.end)
	j.mu.Lock()
	left := int64(wrote)
	for _, l := range b.lines {
		if left -= l.size; left < 0 {
			break
		}
		if l.event >= 0 {
			j.x.addEvent(l.key, j.x.end, l.size)
			n = l.event + 1
		}
		j.x.end += l.size
		j.x.lines++
	}
	j.mu.Unlock()
	if err != nil {
		return n, j.cutBack(j.wrap("write", err))
	}
	b.reset()
	return n, nil
}
