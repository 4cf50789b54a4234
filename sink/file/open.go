package file

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk"
)

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
	if x.foreign() {
		return j.wrap("open", core.Errorf(core.ErrMalformed, "none of its lines was written here: move it away, it stands where the match is to be kept"))
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
	if err != nil {
		return j.failed(err)
	}
	return nil
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
