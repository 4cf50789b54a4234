package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// groupBytes is how much one fsync writes at most, unless one record is longer: who
	// comes when so much waits already goes with the next.
	groupBytes = 1 << 20
	// keepBuffer is the longest buffer that is kept to be used again.
	keepBuffer = 1 << 20
)

// common is what the journals of a spool have in common.
type common struct {
	disk  disk
	clock atomic.Uint64         // number of the last frame of all journals
	used  atomic.Int64          // bytes on disk, or on their way there
	dead  atomic.Pointer[error] // why nothing more is written
}

// poison says that an fsync failed. What is on disk is not known then, and asking
// again would not tell: a kernel may report an error once and drop the pages that it
// could not write. So nothing is written any more.
func (c *common) poison(err error) error {
	err = fmt.Errorf("%w; nothing more is written: what was acknowledged before is kept, and a restart reads it again once the disk is well", err)
	c.dead.CompareAndSwap(nil, &err)
	return *c.dead.Load()
}

func (c *common) err() error {
	if err := c.dead.Load(); err != nil {
		return *err
	}
	return nil
}

// journal is a log of frames in segments, to which many append and of which the front
// goes when it was shipped.
type journal struct {
	*common
	name  string // what its files' names begin with
	limit int64  // length of a segment, unless one frame is longer

	note      func(seg *segment, f frame) // with mu held, for each frame that is on disk; may be nil
	committed func()                      // after frames came; may be nil
	wake      chan struct{}               // one commit is due
	ended     chan struct{}               // closed when run has returned

	committing sync.Mutex // one frame is written at a time; guards the next four
	active     file       // of the last segment; nil if that is sealed
	last       uint64     // number of the last frame
	next       uint64     // number of the next segment
	prevSize   int64      // of the segment before that

	burying sync.Mutex // one removes files at a time

	mu       sync.Mutex
	segments []*segment // oldest first
	buried   []*segment // whose files are to be removed
	acked    position   // all before it was shipped
	waiting  int        // records that were not
	pending  []byte     // the next frame
	count    int        // its records
	reserved int64      // what they take of used
	waiters  []chan error
	taken    chan struct{} // closed when the next frame is taken, if somebody waits for that
	spare    []byte        // to become pending
	idle     []chan error
}

// segment is a file of a journal. All but size, sealed and holes stay as they are, and
// those are guarded by the journal's mu.
type segment struct {
	number uint64
	salt   uint32
	size   int64 // up to the end of the last frame, or hole
	sealed bool  // no more frames come
	holes  []hole
}

// end returns where the last frame ends.
func (s *segment) end() int64 {
	if n := len(s.holes); n > 0 && s.holes[n-1].to == s.size {
		return s.holes[n-1].from
	}
	return s.size
}

// hole is a stretch of a segment that could not be read, see Config.Salvage.
type hole struct{ from, to int64 }

// position is a place in a journal.
type position struct {
	segment uint64
	off     int64
}

func newJournal(c *common, name string, limit int64) *journal {
	return &journal{common: c, name: name, limit: limit, next: 1, wake: make(chan struct{}, 1), ended: make(chan struct{}), pending: make([]byte, frameHead)}
}

func (j *journal) file(number uint64) string { return fmt.Sprintf("%s-%08d.seg", j.name, number) }

// number returns that of the segment in a file of this name.
func (j *journal) number(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, j.name+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(digits, ".seg"), 10, 64)
	return n, err == nil && name == j.file(n)
}

// append puts records into the next frame and has done told when that is on disk, or
// why it is not. It waits while that frame is full, and returns an error only when ctx
// ends there. The room must have been reserved.
func (j *journal) append(ctx context.Context, records []byte, count int, done chan error) error {
	j.mu.Lock()
	for j.count > 0 && len(j.pending)+len(records) > groupBytes {
		if j.taken == nil {
			j.taken = make(chan struct{})
		}
		taken := j.taken
		j.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return fmt.Errorf("the disk does not keep up: %w", ctx.Err())
		}
		j.mu.Lock()
	}
	j.pending = append(j.pending, records...)
	j.count += count
	j.reserved += int64(len(records)) + frameHead
	j.waiters = append(j.waiters, done)
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return nil
}

// run commits for as long as frames come, and returns when wake is closed. While one
// fsync is under way the records of the next gather; so a lone writer waits for one
// fsync, and many share one, without a timer.
func (j *journal) run() {
	defer close(j.ended)
	for range j.wake {
		j.commit()
	}
}

// commit writes what is pending, if anything is.
func (j *journal) commit() {
	j.committing.Lock()
	defer j.committing.Unlock()
	j.mu.Lock()
	buf, count, reserved, waiters := j.pending, j.count, j.reserved, j.waiters
	if count == 0 {
		j.mu.Unlock()
		return
	}
	if j.spare == nil {
		j.spare = make([]byte, frameHead)
	}
	j.pending, j.count, j.reserved, j.waiters = j.spare[:frameHead], 0, 0, j.idle[:0]
	j.spare, j.idle = nil, nil
	if j.taken != nil {
		close(j.taken)
		j.taken = nil
	}
	j.mu.Unlock()

	written, err := j.write(buf, count)
	j.used.Add(written - reserved)
	for _, done := range waiters {
		done <- err // has room for one
	}

	j.mu.Lock()
	if cap(buf) <= keepBuffer {
		j.spare = buf
	}
	j.idle = waiters
	j.mu.Unlock()
	if err == nil && j.committed != nil {
		j.committed()
	}
}

// write makes a frame of buf, which has room for its head, and returns how many bytes
// it took on disk. After an error that did not poison the journal, the next frame goes
// where this one was to go.
func (j *journal) write(buf []byte, count int) (written int64, err error) {
	if err := j.err(); err != nil {
		return 0, err
	}
	seg := j.tail()
	if j.active != nil && seg.size > headerSize && seg.size+int64(len(buf)) > j.limit {
		j.seal()
	}
	if j.active == nil {
		if seg, err = j.create(); err != nil {
			return 0, err
		}
		written = headerSize
	}
	f := frame{number: j.clock.Add(1), prev: j.last, count: count, records: buf[frameHead:], off: seg.size, end: seg.size + int64(len(buf))}
	endFrame(buf, seg.salt, f.number, f.prev, count)
	if err := writeAt(j.active, buf, seg.size); err != nil {
		return written, fmt.Errorf("write %s: %w; write it again when there is room", j.file(seg.number), err)
	}
	if err := j.active.Sync(); err != nil {
		return written, j.poison(fmt.Errorf("fsync %s: %w", j.file(seg.number), err))
	}
	j.last = f.number
	j.mu.Lock()
	seg.size = f.end
	j.waiting += count
	if j.note != nil {
		j.note(seg, f)
	}
	j.mu.Unlock()
	// A segment that is full is sealed at once, so that it can go as soon as it is
	// shipped, however large it is.
	if seg.size >= j.limit {
		j.seal()
	}
	return written + int64(len(buf)), nil
}

func writeAt(f file, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// tail returns the last segment, or nil.
func (j *journal) tail() *segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) == 0 {
		return nil
	}
	return j.segments[len(j.segments)-1]
}

// create begins a segment. The caller holds committing, and no segment is active.
func (j *journal) create() (*segment, error) {
	seg := &segment{number: j.next, salt: rand.Uint32(), size: headerSize}
	name := j.file(seg.number)
	f, err := j.disk.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	head := header{segment: seg.number, after: j.last, prevSize: j.prevSize, salt: seg.salt}
	if err := writeAt(f, head.append(nil), 0); err != nil {
		err = errors.Join(err, f.Close(), j.disk.Remove(name))
		return nil, fmt.Errorf("write %s: %w; write it again when there is room", name, err)
	}
	if err := errors.Join(f.Sync(), j.disk.Sync()); err != nil {
		f.Close()
		return nil, j.poison(fmt.Errorf("fsync %s: %w", name, err))
	}
	j.active = f
	j.next++
	j.mu.Lock()
	j.segments = append(j.segments, seg)
	j.mu.Unlock()
	return seg, nil
}

// seal ends the active segment, if there is one. The caller holds committing.
func (j *journal) seal() {
	if j.active == nil {
		return
	}
	j.active.Close() // all that counts was synced
	j.active = nil
	seg := j.tail()
	j.mu.Lock()
	seg.sealed = true
	j.prevSize = seg.size
	j.mu.Unlock()
}

// ack says that count records up to a position were shipped.
func (j *journal) ack(to position, count int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// A segment that went meanwhile took its records along.
	if j.find(to.segment) != nil {
		j.waiting -= count
		j.acked = to
	}
}

// find returns the segment of a number, or nil. The caller holds mu.
func (j *journal) find(number uint64) *segment {
	for _, seg := range j.segments {
		if seg.number == number {
			return seg
		}
	}
	return nil
}

// has reports whether a segment is still there.
func (j *journal) has(number uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.find(number) != nil
}

// trim removes the segments of which all was shipped.
func (j *journal) trim() error {
	j.mu.Lock()
	for len(j.segments) > 0 {
		seg := j.segments[0]
		if done := seg.number < j.acked.segment || seg.number == j.acked.segment && j.acked.off >= seg.end(); !done || !seg.sealed {
			break
		}
		j.segments = j.segments[1:]
		j.buried = append(j.buried, seg)
	}
	j.mu.Unlock()
	return j.bury()
}

// bury removes the files of segments that are done with, one by one in their order:
// what is left after a loss of power must not have gaps.
func (j *journal) bury() error {
	j.burying.Lock()
	defer j.burying.Unlock()
	for {
		j.mu.Lock()
		if len(j.buried) == 0 || j.err() != nil {
			j.mu.Unlock()
			return nil
		}
		seg := j.buried[0]
		j.mu.Unlock()
		name := j.file(seg.number)
		var err error
		if len(seg.holes) > 0 {
			err = j.disk.Rename(name, name+damagedSuffix)
		} else {
			err = j.disk.Remove(name)
		}
		if err != nil {
			return fmt.Errorf("remove what was shipped: %w", err)
		}
		if err := j.disk.Sync(); err != nil {
			return j.poison(fmt.Errorf("fsync the folder: %w", err))
		}
		j.mu.Lock()
		j.buried = j.buried[1:]
		j.mu.Unlock()
		j.used.Add(-seg.size)
	}
}

// close ends the journal, of which no commit is under way. If all was shipped, nothing
// of it stays.
func (j *journal) close() error {
	j.committing.Lock()
	j.seal()
	j.committing.Unlock()
	j.mu.Lock()
	if j.waiting == 0 {
		j.buried = append(j.buried, j.segments...)
		j.segments = nil
	}
	j.mu.Unlock()
	return j.bury()
}

func (p position) before(q position) bool {
	return p.segment < q.segment || p.segment == q.segment && p.off < q.off
}
