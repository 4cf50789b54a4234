package file

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/fieldjson"
)

// logbook counts what is logged.
type logbook struct {
	slog.Handler
	mu    sync.Mutex
	warns int
	errs  int
}

func newLogbook() *logbook { return &logbook{Handler: slog.DiscardHandler} }

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (l *logbook) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.Level {
	case slog.LevelWarn:
		l.warns++
	case slog.LevelError:
		l.errs++
	}
	return nil
}

func (l *logbook) counts() (warns, errs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.warns, l.errs
}

// open opens a sink that is closed with the test.
func open(t testing.TB, c Config) *Sink {
	t.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func closed(t testing.TB, s *Sink) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

var epochStart = time.Date(2024, 2, 29, 23, 59, 59, 123456789, time.UTC)

// snapshotOf makes a snapshot of n objects, which follows from its key.
func snapshotOf(match string, epoch, tick uint64, n int) core.Snapshot {
	objects := make([]core.ObjectState, n)
	for i := range objects {
		objects[i] = core.ObjectState{ID: uint64(i + 1), Class: "Knight", Owner: uint32(i % 3), Alive: i%2 == 0, Fields: []core.Field{
			{Name: "HP", Value: int64(tick) - int64(i)}, {Name: "X", Value: float64(i) / 4}, {Name: "Gold", Value: tick}}}
	}
	return core.Snapshot{Match: match, Epoch: epoch, Tick: tick, Time: epochStart.Add(time.Duration(tick) * time.Second), Objects: slices.Values(objects)}
}

// eventsOf makes n events, which follow from their keys.
func eventsOf(match string, epoch, seq uint64, n int) []core.Event {
	events := make([]core.Event, n)
	for i := range events {
		at := seq + uint64(i)
		events[i] = core.Event{Match: match, Epoch: epoch, Seq: at, Tick: at / 2, Time: epochStart.Add(time.Duration(at) * time.Second), Kind: "scored", Player: uint32(at % 4), Data: map[string]any{"seq": at}}
	}
	return events
}

// snapshotText and eventText say all that is in a record.
func snapshotText(t testing.TB, s core.Snapshot) string {
	t.Helper()
	text := fmt.Appendf(nil, "%s %d/%d %s", s.Match, s.Epoch, s.Tick, s.Time.UTC().Format(time.RFC3339Nano))
	if s.Objects != nil {
		for o := range s.Objects {
			var err error
			if text, err = fieldjson.AppendObject(append(text, '\n'), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	return string(text)
}

func eventText(t testing.TB, e core.Event) string {
	t.Helper()
	b, err := fieldjson.AppendEvent(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return e.Match + " " + string(b)
}

func texts[T any](t testing.TB, list []T, text func(testing.TB, T) string) (out []string) {
	t.Helper()
	for _, x := range list {
		out = append(out, text(t, x))
	}
	return out
}

// content is all that can be read of a match.
type content struct {
	snapshots, events []string
	snapErr, eventErr error
}

func contentOf(t testing.TB, s *Sink, match string) (c content) {
	t.Helper()
	for x, err := range s.Snapshots(t.Context(), match, 0, ^uint64(0)) {
		if err != nil {
			c.snapErr = err
			break
		}
		c.snapshots = append(c.snapshots, snapshotText(t, x))
	}
	for e, err := range s.Events(t.Context(), match, 0, ^uint64(0)) {
		if err != nil {
			c.eventErr = err
			break
		}
		c.events = append(c.events, eventText(t, e))
	}
	return c
}

// holds wants exactly these records of a match, and no error.
func holds(t testing.TB, s *Sink, match string, snapshots []core.Snapshot, events []core.Event) {
	t.Helper()
	c := contentOf(t, s, match)
	if c.snapErr != nil || c.eventErr != nil {
		t.Fatalf("match %q: %v; %v", match, c.snapErr, c.eventErr)
	}
	if want := texts(t, snapshots, snapshotText); !slices.Equal(c.snapshots, want) {
		t.Fatalf("match %q: snapshots\n%q\nwant\n%q", match, c.snapshots, want)
	}
	if want := texts(t, events, eventText); !slices.Equal(c.events, want) {
		t.Fatalf("match %q: events\n%q\nwant\n%q", match, c.events, want)
	}
}

func mustWrite(t testing.TB, s *Sink, snapshots []core.Snapshot, events []core.Event) {
	t.Helper()
	for _, x := range snapshots {
		if err := s.WriteSnapshot(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.WriteEvents(t.Context(), events); n != len(events) || err != nil {
		t.Fatalf("%d of %d events: %v", n, len(events), err)
	}
}

func fileOf(dir, match string) string { return filepath.Join(dir, fileName(match)) }

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// synced waits for the fsync of what was written.
func synced(t testing.TB, s *Sink, match string) {
	t.Helper()
	j, err := s.journal(match)
	if err != nil {
		t.Fatal(err)
	}
	defer s.leave(j)
	if b := j.flush(); b != nil {
		<-b.done
	}
}
