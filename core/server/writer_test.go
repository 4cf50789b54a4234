package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/core"
)

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
