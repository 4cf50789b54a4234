package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/alicebob/miniredis/v2"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/redis"
)

// silent is go-redis's log: failed dials are what many tests are about.
type silent struct{}

func (silent) Printf(_ context.Context, format string, v ...any) {
	slog.Debug(fmt.Sprintf(format, v...))
}

func TestMain(m *testing.M) {
	goredis.SetLogger(silent{})
	os.Exit(m.Run())
}

// open returns a sink that is closed at the end of the test.
func open(tb testing.TB, c redis.Config) *redis.Sink {
	tb.Helper()
	s, err := redis.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// openMini returns a sink on a new miniredis.
func openMini(tb testing.TB, c redis.Config) (*miniredis.Miniredis, *redis.Sink) {
	tb.Helper()
	m := miniredis.RunT(tb)
	c.URL = "redis://" + m.Addr()
	return m, open(tb, c)
}

func snapshot(match string, epoch, tick uint64) core.Snapshot {
	return core.Snapshot{Match: match, Epoch: epoch, Tick: tick, Time: time.Unix(int64(tick), 5).UTC(),
		Objects: slices.Values([]core.ObjectState{{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: tick}}}})}
}

// large returns a snapshot of which the JSON is somewhat longer than size.
func large(match string, tick uint64, size int) core.Snapshot {
	x := snapshot(match, 1, tick)
	x.Objects = func(yield func(core.ObjectState) bool) {
		text := string(slices.Repeat([]byte{'x'}, 1000))
		for i := range size/1000 + 1 {
			if !yield(core.ObjectState{ID: uint64(i), Fields: []core.Field{{Name: "text", Value: text}}}) {
				return
			}
		}
	}
	return x
}

func event(match string, epoch, seq uint64) core.Event {
	return core.Event{Match: match, Epoch: epoch, Seq: seq, Tick: seq * 2, Time: time.Unix(int64(seq), 5).UTC(), Kind: "scored", Player: 3,
		Data: map[string]any{"points": int64(seq)}}
}

func events(match string, epoch, from, to uint64) (list []core.Event) {
	for seq := from; seq <= to; seq++ {
		list = append(list, event(match, epoch, seq))
	}
	return list
}

// write writes snapshots and wants them stored.
func write(tb testing.TB, s core.SnapshotSink, list ...core.Snapshot) {
	tb.Helper()
	for _, x := range list {
		if err := s.WriteSnapshot(tb.Context(), x); err != nil {
			tb.Fatal(err)
		}
	}
}

// put writes events and wants them stored.
func put(tb testing.TB, s core.SnapshotSink, list ...core.Event) {
	tb.Helper()
	if n, err := s.WriteEvents(tb.Context(), list); n != len(list) || err != nil {
		tb.Fatal(n, err)
	}
}

const last = ^uint64(0) // tick

// ticks returns what snapshots of a match there are, as epoch/tick.
func ticks(tb testing.TB, s core.SnapshotReader, match string) (list []string) {
	tb.Helper()
	for x, err := range s.Snapshots(tb.Context(), match, 0, last) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%d/%d", x.Epoch, x.Tick))
	}
	return list
}

// seqs returns what events of a match there are, as epoch/number.
func seqs(tb testing.TB, s core.SnapshotReader, match string) (list []string) {
	tb.Helper()
	for e, err := range s.Events(tb.Context(), match, 0, last) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%d/%d", e.Epoch, e.Seq))
	}
	return list
}

// span returns "epoch/from" to "epoch/to".
func span(epoch, from, to uint64) (list []string) {
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprintf("%d/%d", epoch, n))
	}
	return list
}

func same(tb testing.TB, what string, got, want []string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s: %d are there, want %d: %.300q, want %.300q", what, len(got), len(want), fmt.Sprint(got), fmt.Sprint(want))
	}
}
