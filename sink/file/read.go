package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

// readable tells whether one may read.
func (s *Sink) readable(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("file: nothing read: %w", err)
	}
	return nil
}

// Matches returns the names of all matches that have a file, in ascending order of
// their bytes. It opens only the files of names that are too long for a file's name.
func (s *Sink) Matches(ctx context.Context) ([]string, error) {
	if err := s.readable(ctx); err != nil {
		return nil, err
	}
	entries, err := s.c.disk.ReadDir(s.c.Dir)
	if err != nil {
		return nil, fmt.Errorf("file: list matches: %w", err)
	}
	var names []string
	for _, e := range entries {
		name, long, ok := matchName(e.Name())
		if ok && long {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("file: list matches: %w", err)
			}
			name, ok, err = s.longName(e.Name())
		} else if ok {
			ok, err = filled(e)
		}
		if err != nil {
			return nil, fmt.Errorf("file: list matches: %w", err)
		}
		if ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// filled tells whether there is something in a file. An empty one is left by a writer
// that was killed.
func filled(e fs.DirEntry) (bool, error) {
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // was deleted meanwhile
	}
	return err == nil && info.Mode().IsRegular() && info.Size() > 0, err
}

// longName returns the match of a file that does not bear its name.
func (s *Sink) longName(file string) (match string, ok bool, err error) {
	f, err := s.c.disk.OpenFile(filepath.Join(s.c.Dir, file), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	line, _, err := newLines(f, 0, maxLine).next()
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	if body, sealed := unseal(line); sealed {
		match, _, ok = matchOf(body)
	}
	return match, ok && fileName(match) == file, nil
}

// view is what one may read of a match.
type view struct {
	*journal
	f         disk.File // nil if the match has no file
	snapshots []place   // in a range of ticks
	broken    []place   // likewise
	runs      []run     // all
	lost      error     // what makes it uncertain that these are all, or nil
	lostAt    int64     // from this byte of the file on
}

// view calls with what there is of a match from one tick to another, and keeps its
// file open meanwhile.
func (s *Sink) view(ctx context.Context, match string, from, to uint64, with func(v view) error) error {
	if err := s.readable(ctx); err != nil {
		return err
	}
	j, err := s.journal(match)
	if err != nil {
		return err
	}
	defer s.leave(j)
	v := view{journal: j}
	in := func(list []place) (out []place) {
		for _, p := range list {
			if p.tick >= from && p.tick <= to {
				out = append(out, p)
			}
		}
		return out
	}
	err = j.look(ctx, func(f disk.File, x *index) {
		v.f, v.snapshots, v.broken, v.runs = f, in(x.snapshots), in(x.broken), slices.Clone(x.runs)
		if err := x.lost(j.path); err != nil {
			v.lost, v.lostAt = j.wrap("read", err), x.damage.at
		}
	})
	if err != nil {
		return err
	}
	return with(v)
}

// Latest returns the newest snapshot of a match that is whole: of the highest epoch
// the one of the highest tick. A newer one that is damaged is passed over and told to
// Config.Log. The snapshot is in memory and may be ranged over at any time. If there is
// none, the error wraps core.ErrNotFound.
func (s *Sink) Latest(ctx context.Context, match string) (x core.Snapshot, err error) {
	err = s.view(ctx, match, 0, ^uint64(0), func(v view) error {
		for _, p := range slices.Backward(v.snapshots) {
			var err error
			if x, err = v.snapshot(ctx, p); !errors.Is(err, core.ErrMalformed) {
				return err
			}
			s.c.Log.Error("file: a snapshot was passed over", "err", err)
		}
		return core.Errorf(core.ErrNotFound, "file: no snapshot of match %q in %s", match, s.c.Dir)
	})
	return x, err
}

// Snapshots yields the snapshots of a match that are whole, one at a time in memory, as
// they were when the loop began. If one in the range is damaged, or what is damaged may
// have been one, the loop ends with an error that says so, behind all others. A match
// that is not stored has no snapshots. The loop may write, and may end early.
func (s *Sink) Snapshots(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Snapshot, error] {
	return func(yield func(core.Snapshot, error) bool) {
		stopped := false
		err := s.view(ctx, match, from, to, func(v view) error {
			damaged := v.lost
			for _, p := range v.snapshots {
				if err := s.readable(ctx); err != nil {
					return err
				}
				x, err := v.snapshot(ctx, p)
				switch {
				case errors.Is(err, core.ErrMalformed):
					damaged = err
				case err != nil:
					return err
				case !yield(x, nil):
					stopped = true
					return nil
				}
			}
			if damaged == nil && len(v.broken) > 0 {
				b := v.broken[0]
				damaged = v.wrap("read", core.Errorf(core.ErrMalformed, "snapshot %d/%d is damaged in line %d (%d such snapshots)", b.epoch, b.tick, b.line, len(v.broken)))
			}
			return damaged
		})
		if err != nil && !stopped {
			yield(core.Snapshot{}, err)
		}
	}
}

// snapshot reads a snapshot whole. Its error wraps core.ErrMalformed if it is damaged.
func (v *view) snapshot(ctx context.Context, p place) (x core.Snapshot, err error) {
	x.Match, x.Epoch, x.Tick = v.match, p.epoch, p.tick
	objects := make([]core.ObjectState, 0, p.objects)
	var parser fieldjson.Parser
	var mark string // what the lines have in common
	l := newLines(v.f, p.at, p.at+p.size)
	at := p.at
	for ended := false; !ended; {
		if len(objects)%1024 == 0 && ctx.Err() != nil {
			return x, v.failed(ctx.Err())
		}
		line, size, err := l.next()
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return x, v.failed(err)
		}
		body, sealed := unseal(line)
		rest, object := cut(body, v.form.object+mark)
		first, begin := cut(body, v.form.snapshot)
		last, end := cut(body, v.form.end+mark)
		var bad error
		switch {
		case !sealed:
			bad = errors.New("the checksum is wrong")
		case mark == "" && begin:
			mark = string(first)
			_, _, first, _ = snapshotKey(first)
			if first, begin = cut(first, `,"time":`); begin {
				x.Time, _, bad = fieldjson.ParseTime(first)
			}
		case mark != "" && object && len(rest) > 0:
			var o core.ObjectState
			o, bad = parser.Object(rest[1:])
			objects = append(objects, o)
		case mark != "" && end:
			n, _, ok := cutNumber(last, `,"objects":`)
			if ended = true; !ok || n != uint64(len(objects)) {
				bad = errors.New("objects are missing")
			}
		default:
			bad = errors.New("another line stands there")
		}
		if bad != nil {
			return x, v.wrap("read", core.Errorf(core.ErrMalformed, "snapshot %d/%d, the line at byte %d: %w", p.epoch, p.tick, at, bad))
		}
		at += size
	}
	x.Objects = slices.Values(objects)
	return x, nil
}

// Events yields the events of a match, as they were when the loop began. If a part of
// the file is damaged and may have been events, the loop ends with an error that says so,
// where the first of them may be missing: before a gap in the numbers, or before an
// epoch that begins behind what is damaged, else behind the last event. A match that is
// not stored has no events. The loop may write, and may end early.
func (s *Sink) Events(ctx context.Context, match string, from, to uint64) iter.Seq2[core.Event, error] {
	return func(yield func(core.Event, error) bool) {
		stopped := false
		err := s.view(ctx, match, 0, 0, func(v view) error {
			for i, r := range v.runs {
				if v.lost != nil && !v.certain(i) {
					return v.lost
				}
				if r.high < from || r.low > to {
					continue
				}
				err := v.events(r, from, to, func(e core.Event) error {
					if err := s.readable(ctx); err != nil {
						return err
					}
					if stopped = !yield(e, nil); stopped {
						return errStop
					}
					return nil
				})
				if stopped {
					return nil
				}
				if err != nil {
					return err
				}
			}
			return v.lost
		})
		if err != nil && !stopped {
			yield(core.Event{}, err)
		}
	}
}

// certain tells whether no event is missing right before run i, although something is
// damaged.
func (v *view) certain(i int) bool {
	r := v.runs[i]
	if i > 0 && v.runs[i-1].epoch == r.epoch {
		return r.first == v.runs[i-1].last+1
	}
	// The last ones of the epoch before may be missing, unless this one began earlier.
	return r.first <= 1 && r.at < v.lostAt
}

var errStop = errors.New("the loop was ended")

// events calls with each event of a run that is in a range of ticks, until with returns
// an error.
func (v *view) events(r run, from, to uint64, with func(e core.Event) error) error {
	var parser fieldjson.Parser
	l := newLines(v.f, r.at, r.at+r.size)
	at := r.at
	for seq := r.first; ; seq++ {
		line, size, err := l.next()
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return v.failed(err)
		}
		body, ok := unseal(line)
		rest, event := cut(body, v.form.event)
		key, known := eventKey(rest)
		if !ok || !event || !known || key.epoch != r.epoch || key.seq != seq {
			return v.wrap("read", core.Errorf(core.ErrMalformed, "event %d/%d, the line at byte %d: it is damaged", r.epoch, seq, at))
		}
		if key.tick >= from && key.tick <= to {
			e, err := parser.Event(rest)
			if err != nil {
				return v.wrap("read", fmt.Errorf("event %d/%d, the line at byte %d: %w", r.epoch, seq, at, err))
			}
			e.Match = v.match
			if err := with(e); err != nil {
				return err
			}
		}
		if seq == r.last {
			return nil
		}
		at += size
	}
}
