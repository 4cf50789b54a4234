package spool

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Close makes later writes and reads fail with core.ErrClosed, waits for writes under
// way, ships what waits for as long as ctx lasts, and closes the sink that it wraps. It
// returns nil if nothing is left. Otherwise its error says how much is, and the next
// New in the same folder ships that; so give ctx as long as the store may take, but a
// deadline. A context that has ended leaves all on disk.
//
// Calls after the first return what that returned, or the cause of their own ctx if
// that ends before. Where a write or the store does not heed the end of ctx, Close
// returns nevertheless, and the folder stays locked until they end.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		if s.writes == 0 {
			close(s.quiet)
		}
		go s.shutdown(ctx)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
		return s.closeErr
	case <-ctx.Done():
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-s.done:
		return s.closeErr
	case <-grace.C:
		return fmt.Errorf("spool: closed, and a write or the store has not ended yet: %w", ctx.Err())
	}
}

// shutdown ends what runs, from the writers to the store, and then lets go of the
// folder.
func (s *Sink) shutdown(ctx context.Context) {
	stop := context.AfterFunc(ctx, s.stopShip)
	<-s.quiet
	for _, j := range []*journal{s.events, s.snapshots} {
		close(j.wake)
		<-j.ended
	}
	close(s.draining)
	<-s.shipped
	stop()
	s.stopShip()

	var errs []error
	left := s.Stats()
	for _, j := range []*journal{s.events, s.snapshots, s.refused} {
		errs = append(errs, j.close())
	}
	if err := errors.Join(append(errs, s.lock.Close())...); err != nil {
		errs = []error{fmt.Errorf("spool: close %s: %w", s.cfg.Dir, err)}
	}
	if left.WaitingEvents+left.WaitingSnapshots+left.Refused > 0 {
		err := fmt.Errorf("spool: %d events and %d snapshots are not in the store yet, and %d records were refused; they are kept in %s for the next start",
			left.WaitingEvents, left.WaitingSnapshots, left.Refused, s.cfg.Dir)
		if left.StoreErr != nil {
			err = fmt.Errorf("%w: %w", err, left.StoreErr)
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, ctx.Err())
		}
		s.cfg.Log.Warn("spool: closed, and some records wait for the next start", "dir", s.cfg.Dir,
			"events", left.WaitingEvents, "snapshots", left.WaitingSnapshots, "refused", left.Refused)
		errs = append(errs, err)
	}
	// The sink is closed once, so it gets the grace too where ctx has ended.
	last, cancel := withGrace(ctx)
	defer cancel()
	s.closeErr = errors.Join(append(errs, s.cfg.Sink.Close(last))...)
	close(s.done)
}

// withGrace returns a context that ends closeGrace after ctx.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(closeGrace, cancel) })
	return later, func() { stop(); cancel() }
}
