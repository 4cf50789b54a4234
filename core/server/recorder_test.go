package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// TestRecorderUnknown holds that writes of which nobody knows what became of them are
// repeated under the same keys, until all is there.
func TestRecorderUnknown(t *testing.T) {
	for seed := range uint64(20) {
		bubble(t, func(t *testing.T, g *rig) {
			rnd, sinks := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			g.sink.events = func(ctx context.Context, e []core.Event) (int, error) {
				stored := sinks.IntN(len(e) + 1)
				if _, err := g.sink.Sink.WriteEvents(ctx, e[:stored]); err != nil {
					return 0, err
				}
				switch told := sinks.IntN(stored + 1); {
				case sinks.IntN(3) > 0:
					return told, errors.New("the answer is lost")
				case stored < len(e):
					return stored, errors.New("the disk is full")
				}
				return stored, nil
			}
			g.sink.snap = func(ctx context.Context, s core.Snapshot) error {
				if sinks.IntN(2) == 0 {
					if err := g.sink.Sink.WriteSnapshot(ctx, s); err != nil {
						return err
					}
				}
				return []error{nil, errors.New("the answer is lost"), context.DeadlineExceeded}[sinks.IntN(3)]
			}
			total := 0
			for range 30 {
				n := rnd.IntN(40)
				g.add(n)
				total += n
				if rnd.IntN(3) == 0 {
					g.put()
				}
				time.Sleep(time.Duration(rnd.Int64N(1e9)))
			}
			time.Sleep(5 * time.Minute)
			g.finish()
			events := g.stored()
			if len(events) != total {
				t.Errorf("seed %d: %d events of %d\n%s", seed, len(events), total, g.log)
			}
			for _, e := range events {
				if e.Data["at"] != e.Seq {
					t.Fatalf("seed %d: event %d says that it is number %v", seed, e.Seq, e.Data["at"])
				}
			}
		})
	}
}

// TestRecorderOrder holds that a snapshot is written when what was before it is.
func TestRecorderOrder(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		rnd, sinks := rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(1, 2))
		known := uint64(0)
		g.sink.events = func(ctx context.Context, e []core.Event) (int, error) {
			if e[0].Seq != known+1 {
				t.Errorf("event %d comes after %d", e[0].Seq, known)
			}
			n := sinks.IntN(len(e) + 1)
			known += uint64(n)
			time.Sleep(time.Duration(sinks.Int64N(1e9)))
			if n < len(e) {
				return n, errors.New("not all of it")
			}
			return n, nil
		}
		written := 0
		g.sink.snap = func(ctx context.Context, s core.Snapshot) error {
			for x := range s.Objects {
				room, err := readRoom(x)
				if err != nil || uint64(room.Events) != known {
					t.Errorf("a snapshot that knows %d events (%v) comes after %d", room.Events, err, known)
				}
				break
			}
			written++
			return nil
		}
		added, taken := uint64(0), 0
		for range 200 {
			n := rnd.IntN(5)
			g.add(n)
			added += uint64(n)
			if rnd.IntN(4) == 0 {
				g.put()
				taken++
			}
			time.Sleep(time.Duration(rnd.Int64N(3e8)))
		}
		time.Sleep(time.Minute)
		g.finish()
		g.counts(0, uint64(taken-written))
		if known != added || written < 5 {
			t.Errorf("%d events of %d and %d snapshots of %d were written", known, added, written, taken)
		}
	})
}

// TestRecorderRefused holds that an event that the store refuses for ever costs its
// data, or itself, and holds up nothing else.
func TestRecorderRefused(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.sink.events = func(ctx context.Context, e []core.Event) (int, error) {
			for i := range e {
				if at, odd := e[i].Data["at"]; odd && (at == uint64(3) || at == uint64(290)) || e[i].Seq == 7 {
					n, err := g.sink.Sink.WriteEvents(ctx, e[:i/2]) // stored for certain: fewer than could be
					return n, errors.Join(err, core.Errorf(core.ErrUnsupported, "I do not like event %d", e[i].Seq))
				}
			}
			return g.sink.Sink.WriteEvents(ctx, e)
		}
		g.add(300)
		g.rec.add(event{Event: core.Event{Kind: eventJoined, Tick: 300}, info: []byte("\xa3Ann")})
		g.finish()
		// Event 7 is not stored at all, so the store has a gap there.
		var kinds []string
		for e, err := range g.sink.store.Open().Events(t.Context(), "m", 0, 1<<63) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind != "tick" || e.Data["at"] == nil {
				kinds = append(kinds, fmt.Sprintln(e.Seq, e.Kind, e.Data))
			}
		}
		want := []string{"3 tick map[data refused:I do not like event 3]\n", "290 tick map[data refused:I do not like event 290]\n", "301 joined map[info:Ann]\n"}
		if !slices.Equal(kinds, want) {
			t.Errorf("stored are %q, want %q", kinds, want)
		}
		g.counts(1, 0)
		g.log.has(t, "the sink refuses the data of an event", 3)
		g.log.has(t, "an event is lost", 1)
	})
}

func TestRecorderRefusedSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.sink.snap = func(ctx context.Context, s core.Snapshot) error {
			if s.Tick == 2 {
				return &core.TooLargeError{Size: 17 << 20, Max: 16 << 20}
			}
			return g.sink.Sink.WriteSnapshot(ctx, s)
		}
		for range 3 {
			g.put()
			synctest.Wait()
		}
		g.finish()
		if got := g.snapshots(); !slices.Equal(got, []uint64{1, 3}) {
			t.Errorf("the snapshots are of ticks %v", got)
		}
		g.counts(0, 1)
		g.log.has(t, "the sink refuses a snapshot", 1)
	})
}

// TestRecorderSilent holds that a store that never answers is asked again, and that
// the end does not wait for it longer than the grace.
func TestRecorderSilent(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		var asked atomic.Int32
		g.sink.events = func(ctx context.Context, e []core.Event) (int, error) {
			asked.Add(1)
			<-ctx.Done()
			return 0, ctx.Err()
		}
		g.add(5)
		time.Sleep(2*writeTimeout + time.Second)
		if n := asked.Load(); n != 3 {
			t.Errorf("it was asked %d times", n)
		}
		g.put()
		if d := g.finish(); d != flushGrace {
			t.Errorf("the end took %v, want %v", d, flushGrace)
		}
		g.counts(5, 1)
		g.log.has(t, "the sink did not take all that was recorded", 1)
		g.add(1) // too late
		g.counts(6, 1)
		g.put()
		g.counts(6, 2)
	})
}

// TestRecorderBack holds that at the end a store that failed is asked at once, and
// often, whatever it was waited for before.
func TestRecorderBack(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.sink.store.Stop()
		g.add(5)
		time.Sleep(30 * time.Second)
		time.AfterFunc(2*time.Second, g.sink.store.Start)
		if d := g.finish(); d < 2*time.Second || d > 2*time.Second+retryFirst {
			t.Errorf("the end took %v", d)
		}
		g.counts(0, 0)
		if len(g.stored()) != 5 {
			t.Errorf("stored are %v", g.stored())
		}
	})
}

// TestRecorderClosed holds that nothing more is asked of a sink that was closed.
func TestRecorderClosed(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		g.add(3)
		synctest.Wait()
		if err := g.sink.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.add(2)
		synctest.Wait()
		g.add(4)
		g.put()
		if d := g.finish(); d != 0 {
			t.Errorf("the end took %v", d)
		}
		g.counts(6, 1)
		g.log.has(t, "the sink did not take all that was recorded", 1)
	})
}

// TestRecorderLazy holds that a sink that claims to have written nothing, without an
// error, is not asked in a circle.
func TestRecorderLazy(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		var asked atomic.Int32
		var works atomic.Bool
		g.sink.events = func(ctx context.Context, e []core.Event) (int, error) {
			if works.Load() {
				return g.sink.Sink.WriteEvents(ctx, e)
			}
			asked.Add(1)
			return 0, nil
		}
		g.add(1)
		time.Sleep(10 * time.Second)
		if n := asked.Load(); n > 10 {
			t.Errorf("it was asked %d times in 10 s", n)
		}
		g.log.has(t, "it wrote none of 1 events and returned no error", 1)
		works.Store(true)
		g.finish()
		g.counts(0, 0)
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
