package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
)

// writer is what belongs to the goroutine that writes.
type writer struct {
	events     []event // taken from the queue
	done       int     // of them
	batch      []core.Event
	single     int       // events to write one by one, until the one that is refused is found
	snap       *snapshot // taken
	tried      bool      // and not written: a newer one takes its place
	fails      int       // in a row
	complained time.Time
}

// run writes until finish and all is written, or the grace is over.
func (r *recorder) run() {
	defer r.cancel()
	w := &r.writer
	for r.ctx.Err() == nil {
		r.take()
		events := w.events[w.done:]
		if w.snap != nil && len(events) > 0 { // first what was before it
			before := int(w.snap.mark - (events[0].Seq - 1)) // numbers have no gaps
			events = events[:max(0, min(before, len(events)))]
		}
		var err error
		switch {
		case len(events) > 0:
			err = r.writeEvents(events)
		case w.snap != nil:
			err = r.writeSnapshot()
		default:
			select {
			case <-r.wake:
			case <-r.closed:
				if r.idle() {
					return
				}
			}
			continue
		}
		if errors.Is(err, core.ErrClosed) {
			r.giveUp(err)
			return
		}
		r.after(err)
	}
	r.giveUp(r.ctx.Err())
}

// take takes what waits: events when there are none in hand, and the newest snapshot,
// unless the one in hand was not tried yet, as else a slow sink would never get
// one.
func (r *recorder) take() {
	w := &r.writer
	if w.done == len(w.events) {
		clear(w.events)
		w.events, w.done = w.events[:0], 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next != nil && (w.snap == nil || w.tried) {
		if w.snap != nil {
			r.skipped++
			r.free = append(r.free, w.snap)
		}
		w.snap, r.next, w.tried = r.next, nil, false
	}
	if len(w.events) == 0 {
		w.events, r.queue = r.queue, w.events
	}
	r.taken = len(w.events) - w.done
}

// idle reports whether nothing waits.
func (r *recorder) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) == 0 && r.next == nil
}

// writeEvents writes the first of events, which are the next ones. An error that
// repeating does not cure is handled here.
func (r *recorder) writeEvents(events []event) error {
	w := &r.writer
	limit := eventBatch
	if w.single > 0 {
		limit = 1
	}
	events = events[:min(limit, len(events))]
	w.batch = w.batch[:0]
	for i := range events {
		e := &events[i]
		if e.info != nil {
			e.Data, e.info = map[string]any{"info": readInfo(r.codec, e.info)}, nil
		}
		w.batch = append(w.batch, e.Event)
	}
	ctx, cancel := context.WithTimeout(r.ctx, writeTimeout)
	defer cancel()
	n, err := r.sink.WriteEvents(ctx, w.batch)
	clear(w.batch)
	if n = max(0, min(n, len(events))); n == 0 && err == nil {
		err = fmt.Errorf("it wrote none of %d events and returned no error", len(events))
	}
	w.done += n
	w.single -= min(n, w.single)
	if !isRefusal(err) || n == len(events) {
		return err
	}
	if events = events[n:]; limit > 1 {
		w.single = len(events)
		return nil
	}
	e := &events[0]
	r.mu.Lock()
	r.failed++
	r.mu.Unlock()
	if _, again := e.Data[refusedKey]; again {
		r.log.Error("an event is lost: the sink refuses it even without its data", "kind", e.Kind, "seq", e.Seq, "err", err)
		r.mu.Lock()
		r.lost++
		r.mu.Unlock()
		w.done++
		w.single--
		return nil
	}
	r.log.Error("the sink refuses the data of an event: it is written without", "kind", e.Kind, "seq", e.Seq, "err", err)
	e.Data = map[string]any{refusedKey: plain.Text(err.Error())}
	return nil
}

// refusedKey is in the data of an event whose own data the sink refused.
const refusedKey = "data refused"

// isRefusal reports whether writing the same again fails again.
func isRefusal(err error) bool {
	return errors.Is(err, core.ErrUnsupported) || errors.Is(err, core.ErrTooLarge)
}

func (r *recorder) writeSnapshot() error {
	w := &r.writer
	ctx, cancel := context.WithTimeout(r.ctx, writeTimeout)
	defer cancel()
	err := r.sink.WriteSnapshot(ctx, core.Snapshot{
		Match: r.match, Epoch: r.epoch, Tick: w.snap.Tick(), Time: w.snap.at, Objects: w.snap.objects(r.codec),
	})
	refused := isRefusal(err)
	if w.tried = true; err != nil && !refused {
		return err
	}
	w.snap.reset()
	r.mu.Lock()
	r.free = append(r.free, w.snap)
	if refused {
		r.failed++
		r.skipped++
	}
	r.mu.Unlock()
	if refused {
		r.log.Error("the sink refuses a snapshot", "tick", w.snap.Tick(), "err", err)
	}
	w.snap = nil
	return nil
}

// after notes how a write went, and waits if it failed.
func (r *recorder) after(err error) {
	w := &r.writer
	if err == nil {
		if w.fails > 0 {
			r.log.Info("the sink takes what is recorded again", "failures", w.fails)
		}
		w.fails = 0
		return
	}
	w.fails++
	r.mu.Lock()
	r.failed++
	waiting := len(r.queue) + r.taken
	r.mu.Unlock()
	if now := time.Now(); w.fails == 1 || now.Sub(w.complained) >= complainEvery {
		w.complained = now
		r.log.Warn("the sink fails; what is recorded waits", "err", err, "failures", w.fails, "events", waiting)
	}
	wait := min(retryLast, retryFirst<<min(w.fails-1, 16))
	closed := r.closed
	select {
	case <-closed: // little time is left
		wait, closed = retryFirst, nil
	default:
	}
	pause := time.NewTimer(wait)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-closed:
	case <-r.ctx.Done():
	}
}

// giveUp counts what will not be written as lost.
func (r *recorder) giveUp(err error) {
	w := &r.writer
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead = true
	lost := uint64(len(w.events) - w.done + len(r.queue))
	r.lost += lost
	r.queue, r.taken = nil, 0
	snapshots := uint64(0)
	for _, s := range []*snapshot{w.snap, r.next} {
		if s != nil {
			snapshots++
		}
	}
	r.skipped += snapshots
	w.snap, r.next, r.free = nil, nil, nil
	if lost+snapshots > 0 {
		r.log.Error("the sink did not take all that was recorded", "events", lost, "snapshots", snapshots, "err", err)
	}
}
