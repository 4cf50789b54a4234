package spool

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Stats says how a spool is doing. Counters are totals since New.
type Stats struct {
	Bytes, MaxBytes  int64 // on disk now, and at most
	WaitingEvents    int   // on disk and not in the store yet
	WaitingSnapshots int   // likewise
	Refused          int   // records that the store refused for good and that wait for the next New

	ShippedEvents    uint64 // that the store took
	ShippedSnapshots uint64 // likewise
	Dropped          uint64 // snapshots that a newer one made needless, see Policy
	Failures         uint64 // calls of the store that failed

	StoreErr error // why its last call failed; nil if it did not
	DiskErr  error // why nothing more is taken; nil if it is
}

// counters are the part of Stats that only grows, and StoreErr.
type counters struct {
	mu sync.Mutex
	c  Stats
}

func (c *counters) add(with func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	with(&c.c)
}

// Stats returns how the spool is doing, also after Close.
func (s *Sink) Stats() Stats {
	s.counters.mu.Lock()
	st := s.counters.c
	s.counters.mu.Unlock()
	st.Bytes, st.MaxBytes = s.common.used.Load(), s.cfg.MaxBytes
	st.WaitingEvents, st.WaitingSnapshots, st.Refused = s.events.left(), s.snapshots.left(), s.refused.left()
	st.DiskErr = s.common.err()
	return st
}

// left returns how many records were not shipped.
func (j *journal) left() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting
}

// markHigh tells when the spool has passed the mark of three quarters. It is called
// after each write.
func (s *Sink) markHigh() {
	switch used := s.common.used.Load(); {
	case used < s.cfg.MaxBytes/2:
		s.high.Store(false)
	case used >= s.cfg.MaxBytes/4*3 && s.high.CompareAndSwap(false, true):
		st := s.Stats()
		s.cfg.Log.Warn("spool: three quarters full, as the store does not keep up", "dir", s.cfg.Dir,
			"bytes", st.Bytes, "of", st.MaxBytes, "events", st.WaitingEvents, "snapshots", st.WaitingSnapshots, "store", st.StoreErr)
		if s.cfg.HighWater != nil {
			s.cfg.HighWater(st)
		}
	}
}

// The matters of which notices tell.
const (
	noticeStore = iota
	noticeRead
	noticeRefused
	noticeDropped
	noticeFull
	noticeTrim
	noticeCount
)

// notices logs each matter once in a while.
type notices struct {
	log *slog.Logger

	mu      sync.Mutex
	last    [noticeCount]time.Time
	skipped [noticeCount]int
}

func (n *notices) warn(matter int, msg string, args ...any) bool {
	return n.tell(slog.LevelWarn, matter, msg, args)
}

func (n *notices) error(matter int, msg string, args ...any) bool {
	return n.tell(slog.LevelError, matter, msg, args)
}

// tell reports whether it did.
func (n *notices) tell(level slog.Level, matter int, msg string, args []any) bool {
	n.mu.Lock()
	now := time.Now()
	if last := n.last[matter]; !last.IsZero() && now.Sub(last) < noticeEvery {
		n.skipped[matter]++
		n.mu.Unlock()
		return false
	}
	if skipped := n.skipped[matter]; skipped > 0 {
		args = append(args, "unsaid", skipped)
	}
	n.last[matter], n.skipped[matter] = now, 0
	n.mu.Unlock()
	n.log.Log(context.Background(), level, msg, args...)
	return true
}
