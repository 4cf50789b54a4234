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

	"github.com/parley-net/parley/core"
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

// open opens the file if there is one, reads it and repairs it. It is for who has the
// turn.
func (j *journal) open(ctx context.Context) error {
	f, x, ready := j.state()
	if ready {
		return nil
	}
	if f == nil {
		flag := os.O_RDWR
		if j.sink.c.ReadOnly {
			flag = os.O_RDONLY
		}
		var err error
		f, err = j.sink.c.disk.OpenFile(j.path, flag, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return j.wrap("open", err)
		}
		if err := j.setState(f, index{}, false); err != nil {
			return err
		}
		x = index{}
	}
	if err := j.scan(ctx, f, &x); err != nil {
		return errors.Join(err, j.setState(f, x, false)) // the next one goes on from there
	}
	j.tell(&x)
	if !j.sink.c.ReadOnly {
		if err := j.repair(f, &x); err != nil {
			return err
		}
	}
	return j.setState(f, x, true)
}

// scan reads what is in the file and not in the index.
func (j *journal) scan(ctx context.Context, f disk.File, x *index) error {
	info, err := f.Stat()
	if err == nil {
		err = x.scan(ctx, f, info.Size(), j.match)
	}
	return j.failed(err)
}

// failed wraps what went wrong with reading, in the light of a sink that was closed
// meanwhile.
func (j *journal) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrClosed):
		return errClosed()
	}
	return j.wrap("read", err)
}

// tell logs what is damaged.
func (j *journal) tell(x *index) {
	log := j.sink.c.Log.With("match", j.match, "path", j.path)
	if x.headless {
		log.Warn("file: the first line is damaged, and nothing else is lost by that")
	}
	if x.endless {
		log.Warn("file: the end of the last line is damaged, and nothing else is lost by that")
	}
	if x.damage.count > 0 {
		log.Error("file: damaged, and what was there is missing", "count", x.damage.count, "where", x.damage.String())
	}
	for _, b := range x.broken[:min(len(x.broken), maxDamage)] {
		log.Error("file: a snapshot is damaged", "epoch", b.epoch, "tick", b.tick, "line", b.line, "of", len(x.broken))
	}
}

// repair cuts off what a writer that was killed has left behind the last whole record:
// nobody was told that it is stored.
func (j *journal) repair(f disk.File, x *index) error {
	if x.foreign() {
		return j.wrap("open", core.Errorf(core.ErrMalformed, "none of its lines was written here: move it away, it stands where the match is to be kept"))
	}
	info, err := f.Stat()
	if err != nil {
		return j.wrap("open", err)
	}
	if torn := info.Size() - x.end; torn > 0 {
		if err := f.Truncate(x.end); err != nil {
			return j.wrap("cut a torn record off", err)
		}
		j.sink.c.Log.Warn("file: cut off a torn record, which was not acknowledged", "match", j.match, "path", j.path, "bytes", torn, "left", x.end)
	}
	if x.headless {
		if _, err := f.WriteAt(j.form.appendFirst(nil), 0); err != nil {
			return j.wrap("write the first line again of", err)
		}
		x.headless = false
	}
	if x.endless {
		if _, err := f.WriteAt([]byte{'\n'}, x.end-1); err != nil {
			return j.wrap("end the last line of", err)
		}
		x.endless = false
	}
	return nil
}

// refresh brings the index of a file that another process may write up to date. It is
// for who has the turn.
func (j *journal) refresh(ctx context.Context) error {
	f, x, ready := j.state()
	if ready && j.check(f, func(size int64) bool { return size >= x.end }) != nil {
		ready = false // another file took its place, or will
		if err := j.setState(nil, index{}, false); err != nil {
			return err
		}
	}
	if !ready {
		return j.open(ctx)
	}
	known := x.damaged()
	if err := j.scan(ctx, f, &x); err != nil {
		return err
	}
	if x.damaged() == known {
		return j.setState(f, x, true)
	}
	// Its writer may have cut back what it could not write whole, under our eyes.
	if err := j.setState(f, index{}, false); err != nil {
		return err
	}
	return j.open(ctx)
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
