package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/core"
)

// shipper takes what is on disk to the store: one batch at a time, in the order in
// which it was written, over all matches and both kinds. So what is in the store is at
// any time what had been written up to some moment, but for snapshots that were dropped.
//
// What the store refuses for good, with core.ErrUnsupported or core.ErrTooLarge, goes
// into the journal of refused records, out of the way of the rest; New tries those
// again, before all else. Every other error is taken for an outage, and what the failed
// call wrote is written again: keys stay the same, so nothing is doubled.
type shipper struct {
	*Sink
	sources []*cursor // refused, events, snapshots
	heads   []frame   // the next frame of each source
	there   []bool    // whether it has one
	rand    *rand.Rand
	fails   int       // calls in a row
	told    bool      // the log says that the store fails
	since   time.Time // when it began to
	hurried bool      // one pause was cut short, as the sink closes

	list  []core.Event // the batch
	marks []mark
}

// mark is the end of a frame of events.
type mark struct {
	source *cursor
	to     position
	count  int // its events
}

// ship runs until all is shipped and nothing more comes, or shipCtx ends.
func (s *Sink) ship() {
	defer close(s.shipped)
	p := &shipper{Sink: s, rand: rand.New(rand.NewPCG(s.cfg.Seed, 0)), heads: make([]frame, 3), there: make([]bool, 3)}
	p.sources = []*cursor{{j: s.refused, until: s.refused.next}, {j: s.events}, {j: s.snapshots}}
	defer func() {
		for _, c := range p.sources {
			c.close() // only read
		}
	}()
	for s.shipCtx.Err() == nil {
		drained := false
		select {
		case <-s.draining:
			drained = true
		default:
		}
		first, err := p.first()
		if err == nil && first >= 0 {
			err = p.batch(first)
		}
		switch {
		case err != nil:
			s.notice.error(noticeRead, "spool: what is on disk cannot be read, so nothing is shipped", "dir", s.cfg.Dir, "error", err)
			p.fails++
			p.pause()
		case first < 0 && drained:
			return
		case first < 0:
			select {
			case <-s.fresh:
			case <-s.draining:
			case <-s.shipCtx.Done():
			}
		}
	}
}

// first returns the source of the oldest frame, or -1 if there is none.
func (p *shipper) first() (first int, err error) {
	first = -1
	for i, c := range p.sources {
		if !p.there[i] {
			f, err := c.next()
			if err == io.EOF {
				continue
			}
			if err != nil {
				return -1, err
			}
			p.heads[i], p.there[i] = f, true
		}
		if first < 0 || p.heads[i].number < p.heads[first].number {
			first = i
		}
	}
	return first, nil
}

// batch ships the frame of a source, and if it is one of events those that follow. It
// returns an error if a record cannot be read.
func (p *shipper) batch(source int) error {
	p.list, p.marks = p.list[:0], p.marks[:0]
	for size := 0; source >= 0 && size < batchBytes && len(p.list) < batchEvents; {
		f := &p.heads[source]
		n := len(p.list)
		snapshots := false
		err := f.each(func(i int, record []byte) error {
			if len(record) > 0 && record[0] == kindSnapshot {
				snapshots = true
				return io.EOF
			}
			e, err := decodeEvent(record)
			p.list = append(p.list, e)
			return err
		})
		if snapshots {
			if n > 0 {
				break
			}
			return p.shipSnapshots(source)
		}
		if err != nil {
			if p.list = p.list[:n]; n > 0 {
				break // is met again when these are shipped
			}
			return err
		}
		size += len(f.records)
		c := p.sources[source]
		p.there[source] = false
		p.marks = append(p.marks, mark{c, c.skip(f), len(p.list) - n})
		if source, err = p.first(); err != nil {
			break // likewise
		}
	}
	p.shipEvents()
	return nil
}

// shipEvents ships the events of the batch. It returns before that is done only if
// shipCtx ends.
func (p *shipper) shipEvents() {
	events, marks := p.list, p.marks
	done := 0 // of the first mark
	most := batchEvents
	for len(events) > 0 {
		chunk := events[:min(len(events), most)]
		n, err := p.callEvents(chunk)
		switch {
		case err == nil && n == len(chunk):
			most = batchEvents
		case refusal(err) && n == 0 && len(chunk) == 1:
			// Sure that it is this one.
			if err = p.refuseEvent(&chunk[0], err); err == nil {
				n, most = 1, batchEvents
			}
		case refusal(err):
			most = max(1, (len(chunk)-n)/2)
			err = nil
		case err == nil:
			err = fmt.Errorf("it took %d of %d events, and did not say why", n, len(chunk))
		}
		if n > 0 {
			p.fails = 0
		}
		events = events[n:]
		for done += n; len(marks) > 0 && done >= marks[0].count; marks = marks[1:] {
			done -= marks[0].count
			p.acked(marks[0].source, marks[0].to, marks[0].count)
		}
		if err != nil && !p.failed(err) {
			return
		}
	}
}

func (p *shipper) callEvents(events []core.Event) (n int, err error) {
	ctx, cancel := context.WithTimeout(p.shipCtx, p.cfg.Timeout)
	defer cancel()
	n, err = p.cfg.Sink.WriteEvents(ctx, events)
	n = max(0, min(n, len(events)))
	p.counters.add(func(c *Stats) { c.ShippedEvents += uint64(n) })
	if err == nil {
		p.works()
	}
	return n, err
}

// shipSnapshots ships a frame of snapshots.
func (p *shipper) shipSnapshots(source int) error {
	f, c := &p.heads[source], p.sources[source]
	at := c.at
	err := f.each(func(i int, record []byte) error {
		k, err := parseKey(record)
		if err != nil {
			return err
		}
		x, err := decodeSnapshot(record)
		if err != nil {
			return err
		}
		for {
			if !c.j.has(at.segment) {
				return nil // it was dropped, or moved to the end, meanwhile
			}
			if newest, ok := p.newest(k.match); p.cfg.Full == LatestSnapshot && ok && c.j == p.snapshots && (newest.at != at || newest.index != i) {
				p.counters.add(func(c *Stats) { c.Dropped++ })
				return nil
			}
			err := p.callSnapshot(x)
			if refusal(err) {
				err = p.refuse(record, err)
			}
			if err == nil {
				p.forget(k.match, at, i)
				return nil
			}
			if !p.failed(err) {
				return p.shipCtx.Err()
			}
		}
	})
	if p.shipCtx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	p.there[source] = false
	p.acked(c, c.skip(f), f.count)
	return nil
}

func (p *shipper) callSnapshot(x core.Snapshot) error {
	ctx, cancel := context.WithTimeout(p.shipCtx, p.cfg.Timeout)
	defer cancel()
	err := p.cfg.Sink.WriteSnapshot(ctx, x)
	if err == nil {
		p.counters.add(func(c *Stats) { c.ShippedSnapshots++ })
		p.works()
	}
	return err
}

// acked says that the records up to a position were shipped, and frees what it can.
func (p *shipper) acked(c *cursor, to position, count int) {
	c.j.ack(to, count)
	if seg, ok := c.j.locate(to.segment); ok && seg.sealed && to.off >= seg.end() && c.open == seg.number {
		c.close() // only read; not every system removes a file that is open
	}
	if err := c.j.trim(); err != nil {
		p.notice.warn(noticeTrim, "spool: a file that is done with stays for now", "dir", p.cfg.Dir, "error", err)
	}
}

// refusal reports whether the store will never take what it was given.
func refusal(err error) bool {
	return errors.Is(err, core.ErrUnsupported) || errors.Is(err, core.ErrTooLarge)
}

// refuse puts a record aside that the store refused.
func (p *shipper) refuse(record []byte, cause error) error {
	k, err := parseKey(record)
	if err != nil {
		return err
	}
	w := writer{buf: appendRecord(nil, record), done: make(chan error, 1)}
	// It moves from one journal to another, so there is room, and soon as much as before.
	p.common.used.Add(int64(len(w.buf)) + frameHead)
	if err := p.refused.append(context.Background(), w.buf, 1, w.done); err != nil { // nobody else appends there
		return err
	}
	p.refused.commit()
	if err := <-w.done; err != nil {
		return fmt.Errorf("put aside what the store refused (%w): %w", cause, err)
	}
	p.notice.error(noticeRefused, "spool: the store refused a record for good; it is kept aside, and tried again at the next start",
		"dir", p.cfg.Dir, "match", string(k.match), "epoch", k.epoch, "tick", k.tick, "seq", k.seq, "error", cause)
	p.works()
	return nil
}

func (p *shipper) refuseEvent(e *core.Event, cause error) error {
	b, err := appendEvent(nil, e)
	if err != nil {
		return err
	}
	return p.refuse(b[recordHead:], cause)
}

// works says that the store answered.
func (p *shipper) works() {
	p.fails = 0
	p.counters.add(func(c *Stats) { c.StoreErr = nil })
	if p.told {
		p.told = false
		p.cfg.Log.Info("spool: the store works again", "dir", p.cfg.Dir, "after", time.Since(p.since),
			"events", p.events.left(), "snapshots", p.snapshots.left())
	}
}

// failed counts a call that failed and waits. It reports whether to go on.
func (p *shipper) failed(err error) bool {
	if p.shipCtx.Err() != nil {
		return false
	}
	p.counters.add(func(c *Stats) { c.Failures++; c.StoreErr = err })
	p.fails++
	if !p.told {
		p.since = time.Now()
	}
	told := p.notice.warn(noticeStore, "spool: the store does not take what waits, and is tried again", "dir", p.cfg.Dir, "error", err,
		"failures", p.fails, "events", p.events.left(), "snapshots", p.snapshots.left())
	p.told = p.told || told
	return p.pause()
}

// pause waits before the store is tried again: longer after each failure, never the
// same for all who wait for it, and not at all when the sink begins to close. It
// reports whether to go on.
func (p *shipper) pause() bool {
	d := min(maxBackoff, minBackoff<<min(p.fails-1, 10))
	d += time.Duration((p.rand.Float64() - 0.5) / 2 * float64(d))
	hurry := p.draining
	if p.hurried {
		hurry = nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-hurry:
		p.hurried = true
	case <-p.shipCtx.Done():
	}
	return p.shipCtx.Err() == nil
}
