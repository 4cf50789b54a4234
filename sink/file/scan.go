package file

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"github.com/parley-net/parley/core"
)

const readSize = 256 << 10 // bytes that are read at once

// lines reads a part of a file line by line.
type lines struct {
	r    *bufio.Reader
	long []byte // a line longer than r's buffer
}

func newLines(f io.ReaderAt, from, to int64) *lines {
	return &lines{r: bufio.NewReaderSize(io.NewSectionReader(f, from, to-from), int(min(readSize, to-from)))}
}

// next returns the next line without its \n, valid until the next call, and how many
// bytes it takes in the file. A line longer than maxLine is returned empty. It returns
// io.EOF at the end, and io.ErrUnexpectedEOF with the last line if another byte stands
// where its \n was to be, or nothing.
func (l *lines) next() (line []byte, size int64, err error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		size += int64(len(part))
		if err == nil && size == int64(len(part)) {
			return part[:len(part)-1], size, nil // the usual
		}
		if size <= maxLine {
			l.long = append(l.long, part...)
		} else {
			l.long = nil
		}
		switch {
		case err == nil:
			return l.long[:max(len(l.long), 1)-1], size, nil
		case err == io.EOF && size > 0:
			return l.long[:max(len(l.long), 1)-1], size, io.ErrUnexpectedEOF
		case err != bufio.ErrBufferFull:
			return nil, size, err
		}
	}
}

// scan reads what a file of this size holds behind the end of the index, and moves
// that end behind the last whole record. Its error is that of reading or the cause of
// ctx, and then another scan goes on from there, or it says that this is not the file of
// the match.
func (x *index) scan(ctx context.Context, f io.ReaderAt, size int64, match string) error {
	s := scanner{x: x, form: formOf(match)}
	l := newLines(f, x.end, size)
	endless := false
	for i := 0; ; i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, n, err := l.next()
		body, ok := unseal(line)
		if err == io.ErrUnexpectedEOF && ok {
			endless, err = true, nil // a whole line: only its end is damaged
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break // what follows the last whole line is no record yet
		}
		if err != nil {
			return err
		}
		first := x.lines == 0 && s.lines == 0
		switch {
		case first && ok && bytes.HasPrefix(body, []byte(firstBegin)):
			if err := checkFirst(body, match); err != nil {
				return err
			}
			s.count(n)
		case first && !ok && n == int64(len(s.form.appendFirst(nil))):
			x.headless = true // of its size, so nothing else is lost
			s.count(n)
		case ok:
			x.sound = true
			s.line(body, n)
		default:
			s.bad(n)
		}
	}
	if s.open != nil && s.damage.count > 0 {
		s.abandon() // whoever writes a snapshot writes whole lines, until it is killed
	}
	x.endless = endless && x.end == size
	return nil
}

func checkFirst(body []byte, match string) error {
	name, version, ok := matchOf(body)
	switch {
	case !ok:
		return core.Errorf(core.ErrMalformed, "its first line does not say which match it is of")
	case version != format:
		return core.Errorf(core.ErrUnsupported, "it has format %d, and this version of parley knows %d", version, format)
	case name != match:
		return core.Errorf(core.ErrMalformed, "it is of match %q: give it the name back that it was made with", name)
	}
	return nil
}

// scanner reads the lines behind the end of an index.
type scanner struct {
	x    *index
	form form

	// What was read and is not in the index yet: the lines of a snapshot that has not
	// ended, or a single line.
	size, lines int64
	damage      damage
	open        *opened
}

// opened is a snapshot that has not ended.
type opened struct {
	place
	stamp string // what its lines have in common behind the match
}

// count counts a line as read, and commits it unless it is part of a snapshot.
func (s *scanner) count(size int64) {
	s.size += size
	s.lines++
	if s.open == nil {
		s.commit()
	}
}

// bad notes a line that cannot be read.
func (s *scanner) bad(size int64) {
	s.damage.add(s.nth(), s.x.end+s.size)
	s.count(size)
}

// nth returns the number of the line that is being read.
func (s *scanner) nth() int64 { return s.x.lines + s.lines + 1 }

func (s *scanner) commit() {
	s.x.end += s.size
	s.x.lines += s.lines
	s.x.damage.join(s.damage)
	s.size, s.lines, s.damage, s.open = 0, 0, damage{}, nil
}

// abandon gives up the snapshot that is open, as its end is missing. What is damaged
// behind its beginning may have been something else.
func (s *scanner) abandon() {
	s.x.addBroken(s.open.epoch, s.open.tick, s.open.line)
	s.commit()
}

// line reads a line whose checksum is right.
func (s *scanner) line(body []byte, size int64) {
	if rest, ok := cut(body, s.form.object); ok {
		// An object of another snapshot comes behind a beginning that is damaged, which
		// was noted.
		if rest, ok := cutStamp(rest, s.open); ok && len(rest) > 0 && rest[0] == ',' {
			s.open.objects++
		}
		s.count(size)
		return
	}
	if rest, ok := cut(body, s.form.end); ok {
		s.end(rest, size)
		return
	}
	if s.open != nil {
		s.abandon()
	}
	at := s.x.end
	if rest, ok := cut(body, s.form.event); ok {
		if k, ok := eventKey(rest); ok {
			s.x.addEvent(k, at, size)
			s.count(size)
			return
		}
	} else if rest, ok := cut(body, s.form.snapshot); ok {
		if epoch, tick, _, ok := snapshotKey(rest); ok {
			s.open = &opened{place{epoch: epoch, tick: tick, at: at, line: s.nth()}, string(rest)}
			s.count(size)
			return
		}
	}
	s.bad(size)
}

// eventKey reads what the index knows of an event, behind its match.
func eventKey(rest []byte) (k key, ok bool) {
	k.epoch, rest, ok = cutNumber(rest, `"epoch":`)
	if ok {
		k.seq, rest, ok = cutNumber(rest, `,"seq":`)
	}
	if ok {
		k.tick, _, ok = cutNumber(rest, `,"tick":`)
	}
	return k, ok
}

// snapshotKey reads the key of a snapshot, behind its match.
func snapshotKey(stamp []byte) (epoch, tick uint64, rest []byte, ok bool) {
	epoch, rest, ok1 := cutNumber(stamp, `"epoch":`)
	tick, rest, ok2 := cutNumber(rest, `,"tick":`)
	return epoch, tick, rest, ok1 && ok2
}

// cutStamp is cut for what the lines of a snapshot, if there is one, have in common.
func cutStamp(b []byte, o *opened) (rest []byte, ok bool) {
	if o == nil {
		return nil, false
	}
	return cut(b, o.stamp)
}

// end reads the last line of a snapshot, behind its match.
func (s *scanner) end(rest []byte, size int64) {
	epoch, tick, _, ok := snapshotKey(rest)
	if !ok {
		s.bad(size)
		return
	}
	var objects uint64
	o := s.open
	if rest, ok = cutStamp(rest, o); ok {
		objects, _, ok = cutNumber(rest, `,"objects":`)
	}
	if !ok { // of a snapshot whose beginning is damaged
		if o != nil {
			s.abandon()
		}
		s.x.addBroken(epoch, tick, s.nth())
		s.count(size)
		return
	}
	s.size += size
	s.lines++
	switch {
	case s.damage.count == 0 && objects == o.objects:
		o.size = s.size
		s.x.addSnapshot(o.place)
	case objects == o.objects+uint64(s.damage.count):
		// Between the two ends of a snapshot nothing else is written, so all that is
		// damaged here were its objects.
		s.x.addBroken(epoch, tick, s.damage.first[0])
		s.damage = damage{}
	default:
		s.x.addBroken(epoch, tick, o.line)
	}
	s.commit()
}
