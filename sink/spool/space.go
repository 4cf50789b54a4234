package spool

import (
	"context"
	"errors"
	"io"

	"github.com/parley-net/parley/core"
)

// minGain is how many bytes of dropped snapshots are worth rewriting a segment.
const minGain = 512

// place says where the newest waiting snapshot of a match is.
type place struct {
	epoch, tick uint64
	at          position // of its frame
	index       int      // in the frame
	size        int64    // on disk, with its frame
}

// newer reports whether p is of a later tick than k.
func (p place) newer(k key) bool {
	return p.epoch > k.epoch || p.epoch == k.epoch && p.tick > k.tick
}

// noteSnapshots remembers the newest snapshots of a frame that is on disk.
func (s *Sink) noteSnapshots(seg *segment, f frame) {
	// A record that cannot be read is the shipper's to complain about.
	_ = f.each(func(i int, record []byte) error {
		k, err := parseKey(record)
		if err != nil {
			return err
		}
		if old, ok := s.latest[string(k.match)]; !ok || !old.newer(k) {
			s.latest[string(k.match)] = place{k.epoch, k.tick, position{seg.number, f.off}, i, int64(len(record)) + recordHead + frameHead}
		}
		return nil
	})
}

// newest returns where the newest waiting snapshot of a match is.
func (s *Sink) newest(match []byte) (place, bool) {
	s.snapshots.mu.Lock()
	defer s.snapshots.mu.Unlock()
	p, ok := s.latest[string(match)]
	return p, ok
}

// forget says that the snapshot at a place was shipped.
func (s *Sink) forget(match []byte, at position, index int) {
	s.snapshots.mu.Lock()
	defer s.snapshots.mu.Unlock()
	if p := s.latest[string(match)]; p.at == at && p.index == index {
		delete(s.latest, string(match))
	}
}

// reserve takes n bytes of what the spool may hold. A snapshot may go over the usual
// bound by the size of the one that it replaces, which becomes free thereby.
func (s *Sink) reserve(n int64, match string, snapshot bool) error {
	most := s.cfg.MaxBytes - 2*s.segment() // the rest is for rewriting segments
	if n > most {
		return core.Errorf(core.ErrTooLarge, "%d bytes are too large: the spool holds %d, as Config.MaxBytes says", n, most)
	}
	if snapshot {
		s.snapshots.mu.Lock()
		most = min(most+s.latest[match].size, s.cfg.MaxBytes)
		s.snapshots.mu.Unlock()
	}
	for {
		used := s.common.used.Load()
		if used+n <= most {
			if s.common.used.CompareAndSwap(used, used+n) {
				return nil
			}
			continue
		}
		freed, err := s.free(used)
		if !freed {
			s.notice.warn(noticeFull, "spool: full; what is written is refused until the store has taken some", "dir", s.cfg.Dir, "bytes", used)
			return errors.Join(core.Errorf(core.ErrBackpressure, "the spool is full: %d of %d bytes wait for the store", used, most), err)
		}
	}
}

// free makes room, and reports whether there is more than when used bytes were taken.
func (s *Sink) free(used int64) (bool, error) {
	s.dropping.Lock()
	defer s.dropping.Unlock()
	err := errors.Join(s.events.trim(), s.snapshots.trim(), s.refused.trim())
	if s.common.used.Load() < used {
		return true, nil
	}
	if s.cfg.Full == Refuse || err != nil {
		return false, err
	}
	return s.dropSnapshots()
}

// dropSnapshots rewrites the segment of snapshots that holds most of what nobody needs,
// without that: its newest snapshots are appended again, and the rest is dropped. The
// caller holds dropping.
func (s *Sink) dropSnapshots() (bool, error) {
	j := s.snapshots
	number, ok := s.wasteful()
	if !ok {
		return false, nil
	}
	j.committing.Lock()
	if seg := j.tail(); seg != nil && seg.number == number {
		j.seal()
	}
	j.committing.Unlock()

	c := cursor{j: j, at: position{number, headerSize}, until: number + 1}
	defer c.close()
	w := &writer{done: make(chan error, 1)}
	var frames []frame // without their records
	kept, copied := 0, 0
	flush := func() error {
		if kept == 0 {
			return nil
		}
		s.common.used.Add(int64(len(w.buf)) + frameHead)
		if err := j.append(context.Background(), w.buf, kept, w.done); err != nil {
			return err
		}
		copied += kept
		w.buf, kept = w.buf[:0], 0
		return <-w.done
	}
	for {
		f, err := c.next()
		if err != nil {
			if err == io.EOF {
				break
			}
			return false, err
		}
		at := c.at
		err = f.each(func(i int, record []byte) error {
			k, err := parseKey(record)
			if err != nil {
				return err
			}
			if p, ok := s.newest(k.match); !ok || p.at != at || p.index != i {
				return nil
			}
			w.buf = appendRecord(w.buf, record)
			if kept++; len(w.buf) >= chunkBytes {
				return flush()
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		f.records = nil
		frames = append(frames, f)
		c.skip(&f)
	}
	if err := flush(); err != nil {
		return false, err
	}

	j.mu.Lock()
	dropped := -copied
	for i, seg := range j.segments {
		if seg.number != number {
			continue
		}
		for _, f := range frames {
			if at := (position{number, f.off}); !at.before(j.acked) {
				dropped += f.count
				j.waiting -= f.count
			}
		}
		j.segments = append(j.segments[:i:i], j.segments[i+1:]...)
		j.buried = append(j.buried, seg)
		break
	}
	j.mu.Unlock()
	s.counters.add(func(c *Stats) { c.Dropped += uint64(max(dropped, 0)) })
	if dropped > 0 {
		s.notice.warn(noticeDropped, "spool: full; snapshots that were not shipped are dropped for newer ones", "dir", s.cfg.Dir, "snapshots", dropped)
	}
	return true, j.bury()
}

// wasteful returns the segment of snapshots from which most can be dropped.
func (s *Sink) wasteful() (number uint64, ok bool) {
	j := s.snapshots
	j.mu.Lock()
	defer j.mu.Unlock()
	needed := make(map[uint64]int64)
	for _, p := range s.latest {
		needed[p.at.segment] += p.size
	}
	most := int64(minGain)
	for _, seg := range j.segments {
		if waste := seg.size - headerSize - needed[seg.number]; waste >= most {
			number, ok, most = seg.number, true, waste+1
		}
	}
	return number, ok
}
