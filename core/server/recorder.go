package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// The bounds of what waits for the sink, and how long the sink may take.
const (
	maxEvents     = 1 << 14                // events of a room that wait; more are lost, and counted
	eventBatch    = 256                    // events in one write at most
	writeTimeout  = 10 * time.Second       // of one write
	retryFirst    = 100 * time.Millisecond // until the first repetition; doubled at each failure,
	retryLast     = 5 * time.Second        // up to this
	flushGrace    = 5 * time.Second        // for what waits when a match has ended
	complainEvery = 10 * time.Second       // about a sink that fails
)

// recorder takes what a room records and hands it to the sink on a goroutine of its
// own, so that a room never waits for a sink:
//
//	room ──add──▶ events, in order ──┐
//	     ──put──▶ the newest snapshot ┴──▶ writer ──▶ sink
//
// A snapshot that waits gives way to a newer one. An event goes before the snapshots
// that were taken after it. What fails is written again under the same keys.
type recorder struct {
	sink  core.SnapshotSink
	codec core.Codec
	log   *slog.Logger
	spawn func(func()) // starts the writer
	name  func() string
	epoch uint64

	ctx    context.Context // of the writes
	cancel context.CancelFunc
	wake   chan struct{}
	closed chan struct{} // closed by finish

	mu      sync.Mutex
	match   string // given with the first record, unless it was restored
	running bool   // the writer
	seq     uint64
	queue   []event
	taken   int       // events that the writer holds
	next    *snapshot // that waits
	free    []*snapshot
	unsaid  uint64 // events lost since the last one that says how many
	dead    bool   // the sink is closed: nothing is written any more
	lost    uint64
	skipped uint64
	failed  uint64

	writer writer
}

// event is one that waits. What a player says about itself is decoded when it is
// written.
type event struct {
	core.Event
	info []byte
}

func newRecorder(sink core.SnapshotSink, codec core.Codec, log *slog.Logger, spawn func(func()), name func() string) *recorder {
	r := &recorder{sink: sink, codec: codec, log: log, spawn: spawn, name: name, epoch: 1,
		wake: make(chan struct{}, 1), closed: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// begin gives the match its name and starts the writer; r.mu is held.
func (r *recorder) begin() {
	if r.running {
		return
	}
	r.running = true
	if r.match == "" {
		r.match = r.name()
	}
	r.log.Info("recording", "match", r.match, "epoch", r.epoch)
	r.spawn(r.run)
}

// add records an event. It never waits.
func (r *recorder) add(e event) {
	r.mu.Lock()
	full := len(r.queue)+r.taken >= maxEvents && e.Kind != eventEnded
	if r.dead || full {
		r.lost++
		r.unsaid++
		first := r.unsaid == 1 && !r.dead
		r.mu.Unlock()
		if first {
			r.log.Error("events are lost: the sink does not take them in time", "waiting", maxEvents)
		}
		return
	}
	defer r.mu.Unlock()
	r.begin()
	if r.unsaid > 0 {
		gap := event{Event: core.Event{Tick: e.Tick, Time: e.Time, Kind: eventDropped, Data: map[string]any{"events": int64(r.unsaid)}}}
		r.unsaid = 0
		r.push(gap)
	}
	r.push(e)
	r.signal()
}

func (r *recorder) push(e event) {
	r.seq++
	e.Match, e.Epoch, e.Seq = r.match, r.epoch, r.seq
	r.queue = append(r.queue, e)
}

func (r *recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// blank returns a snapshot to fill and put.
func (r *recorder) blank() *snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.free); n > 0 {
		s := r.free[n-1]
		r.free = r.free[:n-1]
		return s
	}
	return new(snapshot)
}

// put records a snapshot, in place of one that was not written yet.
func (r *recorder) put(s *snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		r.skipped++
		return
	}
	r.begin()
	s.mark = r.seq
	if r.next != nil {
		r.skipped++
		r.free = append(r.free, r.next)
	}
	r.next = s
	r.signal()
}

// finish lets the writer write what waits, for a grace time, and end.
func (r *recorder) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running { // nothing was recorded
		r.cancel()
		return
	}
	close(r.closed)
	time.AfterFunc(flushGrace, r.cancel)
	r.signal()
}

// counters returns how many events were lost, snapshots skipped, and writes failed.
func (r *recorder) counters() (lost, skipped, failed uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost, r.skipped, r.failed
}

// matchName returns the name of the match, "" while nothing was recorded.
func (r *recorder) matchName() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.match
}
