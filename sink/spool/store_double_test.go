package spool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

var errDown = errors.New("the store is down")

// shop is a store that fails as told, and remembers what came when.
type shop struct {
	store mem.Store

	mu        sync.Mutex
	calls     int
	events    map[string][]uint64 // numbers of each match, as each first came
	snapshots map[string][]uint64 // ticks of each match, likewise
	times     map[string]int      // how often each key came
	order     []string            // keys, as they first came
	// act says how a call goes, which writes n events, or a snapshot if n is 0.
	act func(call, n int) act
}

// act is how a call goes. The zero value is that all goes well.
type act struct {
	delay time.Duration
	hang  bool  // until the context ends
	some  bool  // only take events are stored
	take  int   //
	err   error // returned, also if all was stored
}

func newShop() *shop {
	return &shop{events: map[string][]uint64{}, snapshots: map[string][]uint64{}, times: map[string]int{}}
}

// set changes how calls go from now on.
func (s *shop) set(act func(call, n int) act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.act = act
}

// down says that nothing is stored.
func down(int, int) act { return act{some: true, err: errDown} }

// open returns a sink on the store.
func (s *shop) open() *shopSink { return &shopSink{s.store.Open(), s} }

type shopSink struct {
	*mem.Sink
	shop *shop
}

func (s *shop) next(ctx context.Context, n int) (act, error) {
	s.mu.Lock()
	var a act
	if s.calls++; s.act != nil {
		a = s.act(s.calls, n)
	}
	s.mu.Unlock()
	if a.hang {
		<-ctx.Done()
		return a, ctx.Err()
	}
	if a.delay > 0 {
		select {
		case <-time.After(a.delay):
		case <-ctx.Done():
			return a, ctx.Err()
		}
	}
	return a, nil
}

func (s *shop) came(list map[string][]uint64, match string, number uint64, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times[key]++; s.times[key] == 1 {
		s.order = append(s.order, key)
		list[match] = append(list[match], number)
	}
}

func (k *shopSink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	a, err := k.shop.next(ctx, 0)
	if err != nil {
		return err
	}
	if !a.some {
		if err := k.Sink.WriteSnapshot(ctx, x); err != nil {
			return err
		}
		k.shop.came(k.shop.snapshots, x.Match, x.Tick, fmt.Sprint("s", x.Match, "/", x.Epoch, "/", x.Tick))
	}
	return a.err
}

func (k *shopSink) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	a, err := k.shop.next(ctx, len(events))
	if err != nil {
		return 0, err
	}
	if a.some {
		events = events[:min(a.take, len(events))]
	}
	n, err := k.Sink.WriteEvents(ctx, events)
	for _, e := range events[:n] {
		k.shop.came(k.shop.events, e.Match, e.Seq, fmt.Sprint("e", e.Match, "/", e.Epoch, "/", e.Seq))
	}
	if err == nil && a.err != nil {
		if !a.some {
			n = 0 // the answer is lost
		}
		err = a.err
	}
	return n, err
}

// first returns the numbers of a match as they first came.
func (s *shop) first(list map[string][]uint64, match string) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(list[match])
}

// inOrder says what is wrong with how the events and snapshots of a match came.
func (s *shop) inOrder() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range []map[string][]uint64{s.events, s.snapshots} {
		for _, match := range slices.Sorted(maps.Keys(list)) {
			if !slices.IsSorted(list[match]) {
				return fmt.Errorf("of match %q came in this order: %v", match, list[match])
			}
		}
	}
	return nil
}

// doubles counts the keys that came more than once.
func (s *shop) doubles() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.times {
		n += min(times-1, 1)
	}
	return n
}

// event is one whose contents follow from its key.
func event(match string, seq uint64) core.Event {
	return core.Event{Match: match, Epoch: 1, Seq: seq, Tick: seq / 2, Time: time.Unix(int64(seq), 7), Kind: "scored", Player: uint32(seq % 5),
		Data: map[string]any{"seq": seq, "note": fmt.Sprint("event ", seq, " of ", match)}}
}

func eventsOf(match string, from, to uint64) (list []core.Event) {
	for seq := from; seq <= to; seq++ {
		list = append(list, event(match, seq))
	}
	return list
}

// snapshot is one of n objects, whose contents follow from its key.
func snapshot(match string, tick uint64, n int) core.Snapshot {
	objects := make([]core.ObjectState, n)
	for i := range objects {
		objects[i] = core.ObjectState{ID: uint64(i + 1), Class: "knight", Owner: uint32(i % 3), Alive: i%4 != 0,
			Fields: []core.Field{{Name: "tick", Value: tick}, {Name: "name", Value: fmt.Sprint(match, "/", tick, "/", i)}}}
	}
	return core.Snapshot{Match: match, Epoch: 1, Tick: tick, Time: time.Unix(int64(tick), 9), Objects: slices.Values(objects)}
}

// stored returns the numbers of the events and the ticks of the snapshots that a
// reader finds of a match, and fails the test if one is not what it was.
func stored(t testing.TB, r core.SnapshotReader, match string) (seqs, ticks []uint64) {
	t.Helper()
	for e, err := range r.Events(context.Background(), match, 0, ^uint64(0)) {
		if err != nil {
			t.Fatalf("events of %q: %v", match, err)
		}
		if want := event(match, e.Seq); fmt.Sprint(e.Data, e.Kind, e.Player, e.Tick, e.Time.Unix()) != fmt.Sprint(want.Data, want.Kind, want.Player, want.Tick, want.Time.Unix()) {
			t.Fatalf("event %d of %q came back as %v", e.Seq, match, e)
		}
		seqs = append(seqs, e.Seq)
	}
	for x, err := range r.Snapshots(context.Background(), match, 0, ^uint64(0)) {
		if err != nil {
			t.Fatalf("snapshots of %q: %v", match, err)
		}
		i := 0
		for o := range x.Objects {
			if want := fmt.Sprint(match, "/", x.Tick, "/", i); o.Fields[1].Value != want || o.ID != uint64(i+1) {
				t.Fatalf("object %d of snapshot %d of %q came back as %v", i, x.Tick, match, o)
			}
			i++
		}
		ticks = append(ticks, x.Tick)
	}
	return seqs, ticks
}

// numbers returns those from one to another.
func numbers(from, to uint64) (list []uint64) {
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes events and wants all of them kept.
func put(t testing.TB, s *Sink, events ...core.Event) {
	t.Helper()
	n, err := s.WriteEvents(context.Background(), events)
	if err != nil || n != len(events) {
		t.Fatalf("WriteEvents of %d events: %d, %v", len(events), n, err)
	}
}

// snap writes a snapshot and wants it kept.
func snap(t testing.TB, s *Sink, x core.Snapshot) {
	t.Helper()
	if err := s.WriteSnapshot(context.Background(), x); err != nil {
		t.Fatal(err)
	}
}

// within is a context that ends.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
