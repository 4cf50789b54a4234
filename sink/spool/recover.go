package spool

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/parley-net/parley/core"
)

// damagedSuffix ends the names of files that could not be read to the end. They are
// kept for people to look at, and never read again.
const damagedSuffix = ".damaged"

// recovery reads the journals that an earlier process left.
type recovery struct {
	names   []string // of the files that are there
	salvage bool     // go on past damage
	log     *slog.Logger
}

// found is a segment's file.
type found struct {
	number uint64
	size   int64
	head   header
	err    error // of the head
}

// journal reads what is there of a journal. If gaps is not set, a segment that is
// missing between two is damage.
func (r *recovery) journal(j *journal, gaps bool) error {
	list, err := r.find(j)
	if err != nil {
		return err
	}
	for i, at := range list {
		if at.err != nil {
			if err := r.damaged(j, at.number, 0, at.err); err != nil {
				return err
			}
			if err := j.disk.Rename(j.file(at.number), j.file(at.number)+damagedSuffix); err != nil {
				return err
			}
			continue
		}
		if i > 0 && list[i-1].number+1 < at.number && !gaps {
			if err := r.damaged(j, list[i-1].number+1, 0, errors.New("the file is missing")); err != nil {
				return err
			}
		}
		// Where the segment behind it says how long this one is, all of that must be there.
		// The last one may end in what a crash left of a frame that nobody relies on.
		sure := int64(-1)
		if i+1 < len(list) && list[i+1].err == nil && list[i+1].number == at.number+1 {
			sure = list[i+1].head.prevSize
		}
		if err := r.segment(j, at, sure); err != nil {
			return err
		}
	}
	if n := len(list); n > 0 {
		j.next = max(j.next, list[n-1].number+1)
	}
	if seg := j.tail(); seg != nil {
		j.prevSize = seg.size
		// One without a frame is made again when it is needed.
		if seg.size == headerSize && seg.number+1 == j.next {
			return r.unmake(j, seg)
		}
	}
	return nil
}

// find lists the segments of a journal by their numbers and reads their headers.
func (r *recovery) find(j *journal) (list []found, err error) {
	for _, name := range r.names {
		if n, ok := j.number(strings.TrimSuffix(name, damagedSuffix)); ok && name == j.file(n) {
			list = append(list, found{number: n})
		} else if ok {
			j.next = max(j.next, n+1) // the name is taken
		}
	}
	slices.SortFunc(list, func(a, b found) int { return cmp.Compare(a.number, b.number) })
	for i := range list {
		if err := r.head(j, &list[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w", j.file(list[i].number), err)
		}
	}
	// A header is on disk before the first frame is written. So a last segment that is
	// no longer than its header, and has none, was cut off at its birth.
	if n := len(list); n > 0 && errors.Is(list[n-1].err, errHeader) && list[n-1].size <= headerSize {
		name := j.file(list[n-1].number)
		if err := j.disk.Remove(name); err != nil {
			return nil, fmt.Errorf("remove %s, which is empty: %w", name, err)
		}
		list = list[:n-1]
	}
	return list, nil
}

func (r *recovery) head(j *journal, at *found) error {
	f, err := j.disk.Open(j.file(at.number))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	at.size = info.Size()
	b := make([]byte, min(headerSize, at.size))
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return shortRead(err)
	}
	if at.head, at.err = parseHeader(b); at.err == nil && at.head.segment != at.number {
		at.err = fmt.Errorf("it was written as segment %d", at.head.segment)
	}
	if errors.Is(at.err, errVersion) {
		return at.err
	}
	return nil
}

// shortRead makes an error of a read that was too short.
func shortRead(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// segment reads one segment. Of sure bytes it is known that they were on disk; -1
// says that nothing is known.
func (r *recovery) segment(j *journal, at found, sure int64) error {
	seg := &segment{number: at.number, salt: at.head.salt, size: headerSize, sealed: true}
	name := j.file(at.number)
	f, err := j.disk.Open(name)
	if err != nil {
		return err
	}
	in := window{f: f}
	defer in.close()
	end := at.size
	if sure >= 0 {
		end = min(end, sure)
	}
	last := max(j.last, at.head.after)
	for off := int64(headerSize); off < end; {
		f, err := in.frame(off, end, seg.salt)
		if err != nil && !errors.Is(err, errBroken) {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err == nil && f.prev == last {
			off, last = f.end, f.number
			seg.size = off
			j.waiting += f.count
			if j.note != nil {
				j.note(seg, f)
			}
			continue
		}
		// What is no frame, or not the next one: is there a later one?
		broken := err
		rest, err := in.view(off, end-off, end)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		skip := findFrame(rest, seg.salt, last)
		if skip < 0 && sure < 0 {
			r.log.Warn("spool: an unfinished write at the end was passed over; nobody was told that it is kept",
				"file", name, "byte", off, "bytes", end-off)
			break
		}
		if broken == nil {
			broken = fmt.Errorf("a frame behind frame %d is missing", last)
		}
		if err := r.damaged(j, at.number, off, broken); err != nil {
			return err
		}
		if skip < 0 {
			skip = len(rest)
		} else if f, ok := parseFrame(rest[skip:], seg.salt); ok {
			last = f.prev
		}
		seg.holes = append(seg.holes, hole{off, off + int64(skip)})
		off += int64(skip)
		seg.size = off
	}
	if at.size < sure {
		if err := r.damaged(j, at.number, at.size, fmt.Errorf("the file ends there, and had %d bytes", sure)); err != nil {
			return err
		}
		seg.holes = append(seg.holes, hole{seg.size, sure})
		seg.size = sure
	}
	j.last = last
	j.clock.Store(max(j.clock.Load(), last))
	j.used.Add(seg.size)
	j.segments = append(j.segments, seg)
	return nil
}

// damaged says that something is, and returns an error unless it may be passed over.
func (r *recovery) damaged(j *journal, number uint64, off int64, what error) error {
	if r.salvage {
		r.log.Error("spool: damage passed over; what was there is lost, and the file is kept", "file", j.file(number), "byte", off, "damage", what)
		return nil
	}
	return core.Errorf(core.ErrMalformed, "%s is damaged at byte %d: %w; bring back the file as it was, or set Config.Salvage to ship all that can still be read", j.file(number), off, what)
}

// unmake removes a segment that holds nothing.
func (r *recovery) unmake(j *journal, seg *segment) error {
	if err := j.disk.Remove(j.file(seg.number)); err != nil {
		return fmt.Errorf("remove %s, which is empty: %w", j.file(seg.number), err)
	}
	j.segments = j.segments[:len(j.segments)-1]
	j.used.Add(-seg.size)
	j.next = seg.number
	if j.prevSize = 0; len(j.segments) > 0 {
		j.prevSize = j.segments[len(j.segments)-1].size
	}
	return nil
}
