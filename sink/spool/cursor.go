package spool

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parley-net/parley/core"
)

// readAhead is how much of a segment is read at once, unless a frame is longer.
const readAhead = 64 << 10

// cursor reads the frames of a journal in their order. It is for one goroutine.
type cursor struct {
	j     *journal
	at    position
	until uint64 // the segment before which it ends; 0 means that it does not
	in    window
	open  uint64 // segment that in shows
}

// window shows a part of a file.
type window struct {
	f    file
	buf  []byte
	from int64 // of buf in the file
}

// close closes the file, if one is open.
func (w *window) close() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	*w = window{buf: w.buf[:0]}
	return f.Close()
}

// view returns n bytes at off, of a file that ends at end. They are good until the next
// view.
func (w *window) view(off, n, end int64) ([]byte, error) {
	if off < w.from || off+n > w.from+int64(len(w.buf)) {
		size := max(n, min(readAhead, end-off))
		if int64(cap(w.buf)) < size || cap(w.buf) > keepBuffer && size <= readAhead {
			w.buf = make([]byte, max(size, min(readAhead, end)))
		}
		w.buf, w.from = w.buf[:size], off
		m, err := w.f.ReadAt(w.buf, off)
		if w.buf = w.buf[:m]; int64(m) < n {
			return nil, shortRead(err)
		}
	}
	return w.buf[off-w.from:][:n:n], nil
}

// frame returns the frame at off, of a segment that ends at end; errBroken says that
// there is none.
func (w *window) frame(off, end int64, salt uint32) (f frame, err error) {
	if end-off < frameHead {
		return f, errBroken
	}
	b, err := w.view(off, frameHead, end)
	if err != nil {
		return f, err
	}
	n, ok := frameSize(b, salt)
	if !ok || n > end-off {
		return f, errBroken
	}
	if b, err = w.view(off, n, end); err != nil {
		return f, err
	}
	if f, ok = parseFrame(b, salt); !ok {
		return f, errBroken
	}
	f.off, f.end = off, off+n
	return f, nil
}

// locate returns a copy of the first segment that is not before number.
func (j *journal) locate(number uint64) (seg segment, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		if s.number >= number {
			return *s, true
		}
	}
	return seg, false
}

// next returns the next frame and stays where it is; io.EOF says that there is none
// yet. The frame is good until the next call.
func (c *cursor) next() (f frame, err error) {
	for {
		seg, ok := c.j.locate(c.at.segment)
		if !ok || c.until > 0 && seg.number >= c.until {
			return f, io.EOF
		}
		if seg.number != c.at.segment {
			c.at = position{seg.number, headerSize}
		}
		for _, h := range seg.holes {
			if c.at.off == h.from {
				c.at.off = h.to
			}
		}
		if c.at.off >= seg.size {
			if !seg.sealed {
				return f, io.EOF
			}
			c.at = position{seg.number + 1, headerSize}
			continue
		}
		if c.in.f == nil || c.open != seg.number {
			if err := c.in.close(); err != nil {
				return f, err
			}
			if c.in.f, err = c.j.disk.Open(c.j.file(seg.number)); err != nil {
				if errors.Is(err, os.ErrNotExist) && !c.j.has(seg.number) {
					continue // it went meanwhile
				}
				return f, err
			}
			c.open = seg.number
		}
		if f, err = c.in.frame(c.at.off, seg.size, seg.salt); err != nil {
			c.in.close() // only read; the next call looks at the disk again
			return f, core.Errorf(core.ErrMalformed, "%s is damaged at byte %d: %w", c.j.file(seg.number), c.at.off, err)
		}
		return f, nil
	}
}

// skip moves behind the frame that next returned, and returns where that is.
func (c *cursor) skip(f *frame) position {
	c.at.off = f.end
	return c.at
}

func (c *cursor) close() error { return c.in.close() }

// each calls with every record of a frame until one call returns an error.
func (f *frame) each(with func(i int, record []byte) error) error {
	rest := f.records
	for i := 0; len(rest) > 0; i++ {
		var record []byte
		var err error
		if record, rest, err = cutRecord(rest); err != nil {
			return fmt.Errorf("frame %d: %w", f.number, err)
		}
		if err := with(i, record); err != nil {
			return err
		}
	}
	return nil
}
