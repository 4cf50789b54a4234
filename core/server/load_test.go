package server_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/sink/mem"
)

// TestWhichMatch holds which of the store's matches "" means.
func TestWhichMatch(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		ends := func(how string) func(c *server.Config) {
			return func(c *server.Config) {
				c.Match = func(r *server.Room) error {
					for range r.Ticks() {
						if how == "over" && r.Stats().Ticks > 10 {
							return nil
						}
					}
					return nil
				}
			}
		}
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("of an empty store: %v", err)
		}
		s.play(ends("crash"))
		s.run(time.Second)
		s.crash()
		crashed := s.match()
		if got := s.load("").Match; got != crashed {
			t.Errorf("it is %q, want %q", got, crashed)
		}
		s.play(ends("shutdown"))
		s.run(time.Second)
		s.shutDown()
		if got := s.load("").Match; got == crashed {
			t.Error("it is an older one")
		}
		s.play(ends("over"))
		s.over()
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("the room has ended its newest match, and an older one was found: %v", err)
		}
		// Another room's, without a snapshot: nothing can come of it.
		if _, err := s.store.Open().WriteEvents(t.Context(), []core.Event{{Match: "x", Epoch: 1, Seq: 1, Kind: "joined"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Load(t.Context(), s.store.Open(), "x"); !errors.Is(err, core.ErrNotFound) || !strings.Contains(err.Error(), `parley: restore match "x"`) {
			t.Errorf("a match without a snapshot: %v", err)
		}
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrNotFound) {
			t.Error(err)
		}
		// And a snapshot that is not a server's.
		if err := s.store.Open().WriteSnapshot(t.Context(), core.Snapshot{Match: "y", Time: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrMalformed) {
			t.Errorf("a match of somebody else: %v", err)
		}
		s.store.Stop()
		for _, match := range []string{"", crashed} {
			if _, err := server.Load(t.Context(), s.store.Open(), match); err == nil || !strings.Contains(err.Error(), "stopped") {
				t.Errorf("of a store that is down: %v", err)
			}
		}
	})
}

// TestGap holds that what is missing after the snapshot is found, and what is missing
// before it does not matter.
func TestGap(t *testing.T) {
	room := func(seq int64, change func(map[string]any)) core.Snapshot {
		fields := map[string]any{"Name": "main", "Started": true, "Waited": true, "Events": seq, "LastObject": int64(3), "LastPlayer": int64(2),
			"Players": []any{map[string]any{"ID": int64(1), "Status": "ok", "Ready": true, "Info": nil}}}
		if change != nil {
			change(fields)
		}
		x := core.ObjectState{Class: "Room", Alive: true}
		for name, v := range fields {
			x.Fields = append(x.Fields, core.Field{Name: name, Value: v})
		}
		return core.Snapshot{Match: "m", Epoch: 2, Tick: 50, Time: time.Unix(1, 0), Objects: slices.Values([]core.ObjectState{x})}
	}
	type key struct{ epoch, seq uint64 }
	for _, c := range []struct {
		name   string
		events []key
		after  int
		err    string
	}{
		{"nothing", nil, 0, ""},
		{"all of it", []key{{1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 3}, {2, 4}, {2, 5}}, 2, ""},
		{"the events before are missing", []key{{2, 4}, {2, 5}}, 2, ""},
		{"some before are missing", []key{{2, 2}, {2, 4}}, 1, ""},
		{"the epoch before has a gap", []key{{1, 1}, {1, 7}, {2, 1}}, 0, ""},
		{"a later epoch", []key{{2, 4}, {3, 1}, {3, 2}, {7, 1}}, 4, ""},
		{"the first is missing", []key{{2, 1}, {2, 2}, {2, 3}, {2, 5}}, 0, "in epoch 2 event 3 is followed by event 5"},
		{"one in between is missing", []key{{2, 4}, {2, 5}, {2, 7}}, 0, "in epoch 2 event 5 is followed by event 7"},
		{"a later epoch has a gap", []key{{2, 4}, {3, 2}}, 0, "in epoch 3 event 0 is followed by event 2"},
	} {
		onStage(t, func(t *testing.T, s *stage) {
			sink := s.store.Open()
			if err := sink.WriteSnapshot(t.Context(), room(3, nil)); err != nil {
				t.Fatal(err)
			}
			for _, k := range c.events {
				if _, err := sink.WriteEvents(t.Context(), []core.Event{{Match: "m", Epoch: k.epoch, Seq: k.seq, Tick: 60, Kind: "x"}}); err != nil {
					t.Fatal(err)
				}
			}
			saved, err := server.Load(t.Context(), sink, "m")
			switch {
			case c.err == "" && err != nil, c.err == "" && len(saved.Events) != c.after:
				t.Errorf("%s: %+v, %v; want %d events", c.name, saved, err, c.after)
			case c.err != "" && (err == nil || !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), c.err)):
				t.Errorf("%s: the error is %v, want %q", c.name, err, c.err)
			}
		})
	}
	set := func(name string, v any) func(map[string]any) { return func(m map[string]any) { m[name] = v } }
	player := func(id int64, info any) any {
		return map[string]any{"ID": id, "Status": "ok", "Ready": true, "Info": info}
	}
	for _, c := range []struct {
		change func(map[string]any)
		err    string
	}{
		{set("Name", ""), "no name"},
		{set("Name", int64(1)), "Name: want string"},
		{func(m map[string]any) { delete(m, "Events") }, "Events of server.roomState is missing"},
		{set("More", true), "no field More"},
		{set("Events", int64(-1)), "a number is out of range: -1 events"},
		{set("LastObject", int64(1<<32)), "objects up to 4294967296"},
		{set("LastPlayer", int64(-1)), "a number is out of range"},
		{set("LastPlayer", int64(1<<32-1)), "players up to 4294967295"},
		{set("Players", []any{player(2, nil), player(1, nil)}), "player 1 in a list up to 2"},
		{set("Players", []any{player(3, nil)}), "player 3 in a list up to 2"},
		{set("Players", []any{player(0, nil)}), "player 0 in a list"},
	} {
		onStage(t, func(t *testing.T, s *stage) {
			sink := s.store.Open()
			if err := sink.WriteSnapshot(t.Context(), room(3, c.change)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Load(t.Context(), sink, "m"); !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), "snapshot of epoch 2, tick 50: ") || !strings.Contains(err.Error(), c.err) {
				t.Errorf("the error is %v, want %q", err, c.err)
			}
		})
	}
	onStage(t, func(t *testing.T, s *stage) {
		sink := s.store.Open()
		if err := sink.WriteSnapshot(t.Context(), room(3, set("Players", []any{player(1, strings.Repeat("long", 2000))}))); err != nil {
			t.Fatal(err)
		}
		_, err := server.New(server.Config{Schema: campSchema, Codec: codec.Msgp{}, Match: patrol, Restore: []*server.Saved{s.load("m")}})
		if !errors.Is(err, core.ErrMalformed) || !strings.Contains(err.Error(), `match "m": what player 1 said about itself takes 8003 bytes`) {
			t.Errorf("the error is %v", err)
		}
	})
}

// A diary is a sink that remembers what it was told, in order.
type diary struct {
	core.SnapshotSink
	writes []func(core.SnapshotSink) error
}

func (d *diary) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	events = slices.Clone(events)
	d.writes = append(d.writes, func(to core.SnapshotSink) error { _, err := to.WriteEvents(context.Background(), events); return err })
	return len(events), nil
}

func (d *diary) WriteSnapshot(ctx context.Context, s core.Snapshot) error {
	all := new(mem.Store).Open()
	if err := all.WriteSnapshot(ctx, s); err != nil {
		return err
	}
	d.writes = append(d.writes, func(to core.SnapshotSink) error {
		s, err := all.Latest(context.Background(), s.Match)
		if err != nil {
			return err
		}
		return to.WriteSnapshot(context.Background(), s)
	})
	return nil
}

// TestEveryPrefix holds that wherever a server was killed, what the store has by then
// can be gone on with, as soon as there is a snapshot.
func TestEveryPrefix(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		d := new(diary)
		s.play(func(c *server.Config) { c.Sink, c.SnapshotEvery = d, time.Second })
		ann, bob := s.start()
		for range 10 {
			s.takes(ann, 1, "crown")
			s.takes(bob, 2, "pebble")
			s.run(time.Second)
		}
		s.shutDown()
		store := new(mem.Store)
		sink := store.Open()
		gold, last := 0, 0
		for i, write := range d.writes {
			if err := write(sink); err != nil {
				t.Fatal(err)
			}
			saved, err := server.Load(t.Context(), sink, "")
			if errors.Is(err, core.ErrNotFound) && last == 0 {
				continue
			}
			if err != nil {
				t.Fatalf("after write %d: %v", i, err)
			}
			if _, err := server.New(server.Config{Schema: campSchema, Codec: codec.Msgp{}, Match: patrol, Restore: []*server.Saved{saved}}); err != nil {
				t.Fatalf("after write %d: %v", i, err)
			}
			last = i
			for _, e := range saved.Events {
				if amount, ok := e.Data["Amount"].(int64); ok {
					gold += int(amount)
				}
			}
		}
		if last != len(d.writes)-1 || last < 30 || gold == 0 {
			t.Errorf("the last of %d writes that was gone on from is %d; gold that was undone: %d", len(d.writes), last, gold)
		}
	})
}

// TestRestoreRefused holds that a server that cannot go on with a match says so when
// it is made.
func TestRestoreRefused(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		s.start()
		s.shutDown()
		saved := s.load("")
		for _, c := range []struct {
			change func(*server.Config)
			err    string
		}{
			{func(c *server.Config) { c.Schema = state.NewSchema(state.Class[scout]()) }, `: parley: restore: camp 1: the schema has no class camp`},
			{func(c *server.Config) { c.Restore = []*server.Saved{nil} }, "Restore has a match that is nil"},
			{func(c *server.Config) { c.Restore = []*server.Saved{saved, saved} }, "Restore has 2 matches; Rooms (1) and Matches (0) must allow them"},
			{func(c *server.Config) { c.Rooms, c.Restore = 2, []*server.Saved{saved, saved} }, `Restore has two matches in room "main"`},
			{func(c *server.Config) { c.Rooms, c.Matches, c.Restore = 2, 1, []*server.Saved{saved, saved} }, "Matches (1) must allow them"},
		} {
			cfg := server.Config{Schema: campSchema, Codec: codec.Msgp{}, Match: patrol, Restore: []*server.Saved{saved}}
			c.change(&cfg)
			if _, err := server.New(cfg); err == nil || !strings.Contains(err.Error(), "parley: server: Restore") || !strings.Contains(err.Error(), c.err) {
				t.Errorf("the error is %v, want %q", err, c.err)
			}
		}
	})
}
