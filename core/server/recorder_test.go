package server

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/sink/mem"
)

// A faultySink is a store whose writes can go wrong.
type faultySink struct {
	*mem.Sink
	store  *mem.Store
	events func(ctx context.Context, e []core.Event) (int, error)
	snap   func(ctx context.Context, s core.Snapshot) error
}

func newFaultySink() *faultySink {
	s := &faultySink{store: new(mem.Store)}
	s.Sink = s.store.Open()
	s.events, s.snap = s.Sink.WriteEvents, s.Sink.WriteSnapshot
	return s
}

func (s *faultySink) WriteEvents(ctx context.Context, e []core.Event) (int, error) {
	return s.events(ctx, e)
}

func (s *faultySink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	return s.snap(ctx, x)
}

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// has fails unless the log has a text so many times.
func (l *lines) has(t *testing.T, text string, n int) {
	t.Helper()
	if got := strings.Count(l.String(), text); got != n {
		t.Errorf("the log has %q %d times, want %d:\n%s", text, got, n, l)
	}
}

// rig is a recorder alone, with a world to take snapshots of.
type rig struct {
	t     *testing.T
	rec   *recorder
	sink  *faultySink
	log   *lines
	world *state.World
	done  sync.WaitGroup
}

func newRig(t *testing.T) *rig {
	w, err := state.NewWorld(state.NewSchema(state.Class[mover]()), codec.Msgp{})
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, sink: newFaultySink(), log: new(lines), world: w}
	log := slog.New(slog.NewTextHandler(g.log, nil))
	g.rec = newRecorder(g.sink, codec.Msgp{}, log, g.done.Go, func() string { return "m" })
	return g
}

// add records n events, which say their number.
func (g *rig) add(n int) {
	for range n {
		g.world.Advance(time.Second)
		g.rec.add(event{Event: core.Event{Kind: "tick", Tick: g.world.Tick(), Time: time.Now(), Data: map[string]any{"at": g.world.Tick()}}})
	}
}

func (g *rig) put() {
	s := g.rec.blank()
	s.at, s.room.Name = time.Now(), "room"
	g.world.Freeze(&s.Frozen)
	g.rec.put(s)
}

// finish waits for the writer, and returns how long that took.
func (g *rig) finish() time.Duration {
	began := time.Now()
	g.rec.finish()
	g.done.Wait()
	return time.Since(began)
}

// stored returns the events of the store and fails if they are not in order and
// without gaps.
func (g *rig) stored() (events []core.Event) {
	g.t.Helper()
	tick := uint64(0)
	for e, err := range g.sink.store.Open().Events(context.Background(), "m", 0, 1<<63) {
		if err != nil {
			g.t.Fatal(err)
		}
		if events = append(events, e); e.Seq != uint64(len(events)) || e.Epoch != 1 || e.Tick < tick {
			g.t.Fatalf("event %d of epoch %d, tick %d is number %d, after tick %d", e.Seq, e.Epoch, e.Tick, len(events), tick)
		}
		tick = e.Tick
	}
	return events
}

func (g *rig) snapshots() (ticks []uint64) {
	g.t.Helper()
	for s, err := range g.sink.store.Open().Snapshots(context.Background(), "m", 0, 1<<63) {
		if err != nil {
			g.t.Fatal(err)
		}
		ticks = append(ticks, s.Tick)
	}
	return ticks
}

func (g *rig) counts(lost, skipped uint64) {
	g.t.Helper()
	if l, s, _ := g.rec.counters(); l != lost || s != skipped {
		g.t.Errorf("%d events lost, %d snapshots skipped; want %d, %d\n%s", l, s, lost, skipped, g.log)
	}
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(t *testing.T, g *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

func TestRecorderWritesInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.add(1000)
		g.put()
		g.add(1)
		synctest.Wait()
		if len(g.stored()) != 1001 || len(g.snapshots()) != 1 {
			t.Errorf("%d events, %d snapshots are stored at once", len(g.stored()), len(g.snapshots()))
		}
		if d := g.finish(); d != 0 {
			t.Errorf("the end took %v", d)
		}
		g.counts(0, 0)
		if events := g.stored(); events[999].Kind != "tick" || events[999].Data["at"] != uint64(1000) {
			t.Errorf("event 1000 is %v", events[999])
		}
		g.log.has(t, "level=ERROR", 0)
	})
}

func TestRecorderOfNothing(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.finish()
		if names, err := g.sink.Matches(t.Context()); len(names) != 0 || err != nil || g.rec.matchName() != "" {
			t.Errorf("stored: %q, %v; the name is %q", names, err, g.rec.matchName())
		}
	})
}

// TestRecorderOutage holds that what a store that is down for 20 seconds misses comes
// afterwards, once and in order, and that of the snapshots the newest comes.
func TestRecorderOutage(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.add(10)
		synctest.Wait()
		g.sink.store.Stop()
		for range 20 * 20 {
			g.add(10)
			g.put()
			time.Sleep(time.Second / 20)
		}
		g.sink.store.Start()
		time.Sleep(retryLast)
		synctest.Wait()
		if n := len(g.stored()); n != 4010 {
			t.Errorf("%d events are stored, want 4010", n)
		}
		if got, last := g.snapshots(), g.world.Tick(); len(got) != 2 || got[0] > 50 || got[1] != last {
			t.Errorf("the snapshots are of ticks %v, want one of the first and that of tick %d", got, last)
		}
		g.counts(0, 398)
		g.log.has(t, "the sink fails; what is recorded waits", 2) // at once, and after 10 s
		g.log.has(t, "the sink takes what is recorded again", 1)
		g.finish()
	})
}

// TestRecorderFull holds that of events that nobody takes only so many are kept, and
// that the store is told how many are missing.
func TestRecorderFull(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.sink.store.Stop()
		g.add(maxEvents + 1000)
		time.Sleep(time.Second)
		g.add(500)
		g.counts(1500, 0)
		g.log.has(t, "events are lost", 1)
		g.sink.store.Start()
		time.Sleep(retryLast)
		g.add(1)
		g.rec.add(event{Event: core.Event{Kind: eventEnded, Tick: g.world.Tick()}})
		g.finish()
		events := g.stored()
		if len(events) != maxEvents+3 || events[maxEvents].Kind != eventDropped || events[maxEvents].Data["events"] != int64(1500) {
			t.Errorf("%d events are stored, %v after the gap", len(events), events[maxEvents])
		}
	})
}

// TestRecorderFullAtTheEnd holds that the end of a match is recorded all the same.
func TestRecorderFullAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.sink.store.Stop()
		g.add(maxEvents + 5)
		g.rec.add(event{Event: core.Event{Kind: eventEnded, Tick: g.world.Tick()}})
		g.sink.store.Start()
		g.finish()
		events := g.stored()
		if n := len(events); n != maxEvents+2 || events[n-2].Kind != eventDropped || events[n-1].Kind != eventEnded {
			t.Errorf("%d events, the last is %v", n, events[n-1])
		}
	})
}

// TestRecorderMemory holds that snapshots are made in memory that is used again.
func TestRecorderMemory(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		made := make(map[*snapshot]bool)
		for range 20 {
			s := g.rec.blank()
			made[s] = true
			s.room.Name = "room"
			g.world.Freeze(&s.Frozen)
			g.rec.put(s)
			if len(made)%2 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if len(made) > 3 {
			t.Errorf("%d snapshots were made for one that is written, one that waits and one that is filled", len(made))
		}
		g.finish()
	})
}
