package mem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

func snapshot(match string, epoch, tick uint64) core.Snapshot {
	return core.Snapshot{Match: match, Epoch: epoch, Tick: tick, Time: time.Unix(int64(tick), 5),
		Objects: slices.Values([]core.ObjectState{{ID: 1, Class: "knight", Fields: []core.Field{{Name: "tick", Value: tick}}}})}
}

// keys lists what is stored of a match.
func keys(t *testing.T, s *mem.Sink, match string) (out []string) {
	t.Helper()
	for x, err := range s.Snapshots(t.Context(), match, 0, 1<<63) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d/%d", x.Epoch, x.Tick))
	}
	return out
}

func TestKeep(t *testing.T) {
	store := &mem.Store{Keep: 3}
	s := store.Open()
	for _, key := range [][2]uint64{{1, 10}, {1, 30}, {1, 20}, {2, 5}, {1, 30}, {1, 1}, {2, 4}} {
		if err := s.WriteSnapshot(t.Context(), snapshot("m", key[0], key[1])); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(t, s, "m"); !slices.Equal(got, []string{"1/30", "2/4", "2/5"}) {
		t.Errorf("kept %v", got)
	}
	if err := s.WriteSnapshot(t.Context(), snapshot("other", 1, 1)); err != nil || len(keys(t, s, "m")) != 3 {
		t.Errorf("another match took the place of a snapshot: %v", err)
	}
}

func TestRemove(t *testing.T) {
	store := new(mem.Store)
	s := store.Open()
	store.Remove("nobody")
	for _, m := range []string{"a", "b"} {
		if err := s.WriteSnapshot(t.Context(), snapshot(m, 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	store.Remove("a")
	if names, err := s.Matches(t.Context()); err != nil || !slices.Equal(names, []string{"b"}) {
		t.Errorf("%q, %v", names, err)
	}
	if _, err := s.Latest(t.Context(), "a"); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("Latest of a match that was removed: %v", err)
	}
}

func TestStopped(t *testing.T) {
	store := new(mem.Store)
	s := store.Open()
	if err := s.WriteSnapshot(t.Context(), snapshot("m", 1, 1)); err != nil {
		t.Fatal(err)
	}
	store.Stop()
	store.Stop()
	_, err := s.WriteEvents(t.Context(), []core.Event{{Match: "m", Seq: 1}})
	_, latest := s.Latest(t.Context(), "m")
	_, matches := s.Matches(t.Context())
	for op, err := range map[string]error{"WriteSnapshot": s.WriteSnapshot(t.Context(), snapshot("m", 1, 2)), "WriteEvents": err, "Latest": latest, "Matches": matches} {
		if err == nil || errors.Is(err, core.ErrClosed) || errors.Is(err, core.ErrNotFound) {
			t.Errorf("%s on a store that is stopped: %v", op, err)
		}
	}
	for _, err := range s.Snapshots(t.Context(), "m", 0, 9) {
		if err == nil {
			t.Error("a snapshot was read from a store that is stopped")
		}
	}
	store.Start()
	if got := keys(t, s, "m"); !slices.Equal(got, []string{"1/1"}) {
		t.Errorf("after Start: %v", got)
	}
}

func TestReadingAfterClose(t *testing.T) {
	s := new(mem.Store).Open()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, latest := s.Latest(t.Context(), "m")
	_, matches := s.Matches(t.Context())
	errs := []error{latest, matches}
	for _, err := range s.Snapshots(t.Context(), "m", 0, 1) {
		errs = append(errs, err)
	}
	for _, err := range s.Events(t.Context(), "m", 0, 1) {
		errs = append(errs, err)
	}
	for i, err := range errs {
		if !errors.Is(err, core.ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(errs) != 4 {
		t.Errorf("%d errors, want 4", len(errs))
	}
}

// TestCloseInTime closes a sink while a write is under way that does not end.
func TestCloseInTime(t *testing.T) {
	s := new(mem.Store).Open()
	under, release := make(chan struct{}), make(chan struct{})
	slow := snapshot("m", 1, 1)
	slow.Objects = func(func(core.ObjectState) bool) {
		close(under)
		<-release
	}
	wrote := make(chan error, 1)
	go func() { wrote <- s.WriteSnapshot(context.Background(), slow) }()
	<-under
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2 {
		if err := s.Close(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Close returned %v", err)
		}
	}
	close(release)
	if err := errors.Join(<-wrote, s.Close(t.Context()), s.Close(ended)); err != nil {
		t.Errorf("the write, Close and a second Close: %v", err)
	}
}

func TestRefused(t *testing.T) {
	s := new(mem.Store).Open()
	self := []any{nil}
	self[0] = self
	loop := map[string]any{}
	loop["me"] = []any{loop}
	for _, v := range []any{int(1), float32(1), struct{}{}, []string{"a"}, &loop, self, loop, []any{[]any{uint8(1)}}} {
		n, err := s.WriteEvents(t.Context(), []core.Event{{Match: "m", Seq: 1}, {Match: "m", Seq: 2, Data: map[string]any{"v": v}}})
		if n != 1 || !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("%T: %d, %v", v, n, err)
		}
	}
	// Nothing says where its objects are: there are none.
	if err := s.WriteSnapshot(t.Context(), core.Snapshot{Match: "m"}); err != nil {
		t.Error(err)
	}
}

// TestManySinks opens several sinks on one store and uses all at once.
func TestManySinks(t *testing.T) {
	store := &mem.Store{Keep: 50}
	var wg sync.WaitGroup
	for i := range uint64(6) {
		wg.Go(func() {
			s := store.Open()
			for tick := range uint64(100) {
				err := s.WriteSnapshot(t.Context(), snapshot("m", i, tick))
				if _, e := s.WriteEvents(t.Context(), []core.Event{{Match: "m", Epoch: i, Seq: tick + 1}}); err != nil || e != nil {
					t.Error(err, e)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := store.Open()
	if got := keys(t, s, "m"); len(got) != 50 || got[49] != "5/99" {
		t.Errorf("%d snapshots kept: %v", len(got), got)
	}
}
