package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/parley-net/parley/sink/internal/disk"
)

// journal is the file of one match, and what is known of it.
type journal struct {
	sink  *Sink
	match string
	path  string
	form  form
	turn  chan struct{} // has room for one: who opens, repairs or writes

	users int    // guarded by the sink's lock
	used  uint64 // likewise

	mu     sync.Mutex
	f      disk.File // nil if it is not open, or there is none
	ready  bool      // x is what is in the file; before, x is for who has the turn
	x      index
	synced int64     // bytes that are on the disk for certain
	last   time.Time // of the beginning of the last fsync
	now    *batch    // whose fsync runs
	next   *batch    // whose fsync has not begun
	gone   bool      // closed for good
}

func newJournal(s *Sink, match string) *journal {
	return &journal{sink: s, match: match, path: filepath.Join(s.c.Dir, fileName(match)), form: formOf(match), turn: make(chan struct{}, 1)}
}

// take waits for the turn, which give ends.
func (j *journal) take(ctx context.Context) error {
	select {
	case j.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case j.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return j.wrap("wait for another use of", ctx.Err())
	}
}

func (j *journal) give() { <-j.turn }

// wrap says what was done, and to whom, when err happened.
func (j *journal) wrap(doing string, err error) error {
	return fmt.Errorf("file: %s match %q in %s: %w", doing, j.match, j.path, err)
}

// state returns the file, nil if it is not open, and whether its index is whole.
func (j *journal) state() (f disk.File, x index, ready bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.f, j.x, j.ready
}

// setState puts a file, which may be nil, and its index in the place of those before.
func (j *journal) setState(f disk.File, x index, ready bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f != j.f {
		old := j.f
		if j.gone {
			old = f
		}
		if old != nil {
			_ = old.Close() // nothing was written to it
		}
		j.synced = 0 // what another process left may not be on the disk yet
	}
	if j.gone {
		return errClosed()
	}
	j.f, j.x, j.ready = f, x, ready
	return nil
}

// failed wraps what went wrong with reading, in the light of a sink that was closed
// meanwhile.
func (j *journal) failed(err error) error {
	if errors.Is(err, fs.ErrClosed) && j.sink.isClosed() {
		return errClosed()
	}
	return j.wrap("read", err)
}

// errChanged: somebody else had their hands in the file.
var errChanged = errors.New("changed by somebody else while it was in use")

// check returns an error if the file is not the one that was opened any more, or not
// of a size that is right, which then wraps errChanged.
func (j *journal) check(f disk.File, right func(size int64) bool) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := j.sink.c.disk.Stat(j.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the file was deleted or moved", errChanged)
	case err != nil:
		return err
	case !os.SameFile(mine, there):
		return fmt.Errorf("%w: another file was put in its place", errChanged)
	case !right(mine.Size()):
		return fmt.Errorf("%w: the file has %d bytes now", errChanged, mine.Size())
	}
	return nil
}

// look calls with the file, which is nil if there is none, and its index.
func (j *journal) look(ctx context.Context, with func(f disk.File, x *index)) error {
	if _, _, ready := j.state(); !ready || j.sink.c.ReadOnly {
		if err := j.take(ctx); err != nil {
			return err
		}
		defer j.give()
		update := j.open
		if j.sink.c.ReadOnly {
			update = j.refresh
		}
		if err := update(ctx); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.f != nil && !j.sink.c.ReadOnly {
		if err := j.check(j.f, func(size int64) bool { return size >= j.x.end }); err != nil {
			return j.failed(err)
		}
	}
	with(j.f, &j.x)
	return nil
}

// close closes the file, of which nothing waits to be written, for good.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	if j.f, j.ready, j.x = nil, false, (index{}); err != nil {
		return j.wrap("close", err)
	}
	return nil
}
