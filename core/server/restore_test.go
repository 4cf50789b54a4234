package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/sink/mem"
)

// load reads a match from the store.
func (s *stage) load(match string) *server.Saved {
	s.t.Helper()
	saved, err := server.Load(context.Background(), s.store.Open(), match)
	if err != nil {
		s.t.Fatal(err)
	}
	return saved
}

// restore starts a server that goes on with the newest match.
func (s *stage) restore(change ...func(*server.Config)) *server.Saved {
	s.t.Helper()
	saved := s.load("")
	s.play(append(change, func(c *server.Config) { c.Restore = []*server.Saved{saved} })...)
	return saved
}

// TestCrash kills a server and goes on with its match, twice.
func TestCrash(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		ann, bob := s.start()
		scoutOf(ann, "Ann").Pos.SetVelocity(1, 0)
		s.takes(ann, 3, "crown") // of which there is a snapshot
		s.takes(ann, 1, "pebble")
		s.run(time.Second)
		annID, bobID, keeper := ann.ID(), bob.ID(), scoutOf(bob, "Bob").ID()
		s.crash()
		match := s.match()

		saved := s.restore()
		if saved.Match != match || saved.Room != "main" || saved.Epoch != 1 || saved.Tick == 0 || len(saved.Events) != 1 || saved.Events[0].Data["What"] != "pebble" {
			t.Errorf("loaded is %+v, want %q", saved, match)
		}
		eve := s.join("Eve") // who comes late
		s.run(2 * time.Second)
		if eve.ID() != 3 || eve.World().Len() != 4 || scoutOf(eve, "Eve") == nil || !eve.Started() {
			t.Errorf("Eve is %v and sees %d objects; started: %v", eve.ID(), eve.World().Len(), eve.Started())
		}
		x := scoutOf(eve, "Ann")
		if x == nil || x.Owner() != annID || x.Gold.Get() != 3 || fmt.Sprint(x.Bag.Get()) != "[crown]" || x.Pos.X() == 0 || x.Pos.Velocity().X != 0 || x.Pos.MaxSpeed() != 5 {
			t.Fatalf("Eve sees Ann's scout as %+v", x)
		}
		at := x.Pos.X()
		if p, ok := eve.Lobby().Player(annID); !ok || p.Status != lobby.LostConnection || !p.Ready {
			t.Errorf("Eve sees Ann as %+v", p)
		}

		ann = s.join("Ann")
		s.run(time.Second)
		mine := scoutOf(ann, "Ann")
		if ann.ID() != annID || mine == nil || !mine.IsMine() || ann.World().Len() != 4 {
			t.Fatalf("Ann comes back as %v, with %+v", ann.ID(), mine)
		}
		mine.Pos.SetVelocity(2, 0)
		s.takes(ann, 2, "ring")
		s.run(time.Second)
		if x.Gold.Get() != 5 || x.Pos.X() <= at {
			t.Errorf("Eve sees Ann's scout with %v gold at %v, which was at %v", x.Gold, x.Pos, at)
		}
		s.run(30 * time.Second)
		if b := eve.World().Object(keeper); b != nil || eve.Lobby().Status(bobID) != lobby.Disconnected {
			t.Errorf("Bob did not come back, and is %v with %v", eve.Lobby().Status(bobID), b)
		}
		s.takes(ann, 2, "crown")
		s.crash()

		saved = s.restore()
		if saved.Match != match || saved.Epoch != 2 {
			t.Errorf("loaded is epoch %d of %s", saved.Epoch, saved.Match)
		}
		ann, zoe := s.join("Ann"), s.join("Zoe")
		s.run(time.Second)
		if x := scoutOf(zoe, "Ann"); ann.ID() != annID || x == nil || x.Gold.Get() != 7 || zoe.ID() != 4 || scoutOf(zoe, "Eve") == nil {
			t.Errorf("in epoch 3 Ann is %v with %+v; Zoe is %v", ann.ID(), x, zoe.ID())
		}
		for range 3 {
			if err := zoe.Emit("fire", true); err != nil {
				t.Fatal(err)
			}
		}
		s.over()
		s.tells(match, 2, `
restored 0 map[epoch:1 tick:`+fmt.Sprint(s.load1(match, 1))+` undone:1]
joined 3 map[info:[Eve]]
resumed 1 map[info:[Ann]]
haul 1 map[Amount:2 What:ring]
left 2 map[code:timeout reason:it did not come back]
haul 1 map[Amount:2 What:crown]
`)
		s.tells(match, 3, `
restored 0 map[epoch:2 tick:`+fmt.Sprint(saved.Tick)+` undone:0]
resumed 1 map[info:[Ann]]
joined 4 map[info:[Zoe]]
ended 0 map[reason:over]
`)
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrNotFound) || !strings.Contains(err.Error(), "none of the store's 1 matches is under way") {
			t.Errorf("a match that has ended: %v", err)
		}
		if saved := s.load(match); saved.Epoch != 3 {
			t.Errorf("asked for by name, it is of epoch %d", saved.Epoch)
		}
	})
}

// load1 returns the tick of the newest snapshot of an epoch.
func (s *stage) load1(match string, epoch uint64) (tick uint64) {
	all, _ := s.snapshots(match)
	for _, x := range all {
		if x.Epoch == epoch {
			tick = x.Tick
		}
	}
	return tick
}

// TestCrashAtOnce holds that an epoch is never used twice, also when a restored match
// stops before its first snapshot.
func TestCrashAtOnce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.play()
		s.start()
		s.run(time.Second)
		s.crash()
		match := s.match()
		for epoch := uint64(2); epoch < 5; epoch++ {
			// A server that got no further than this.
			sink := s.store.Open()
			if _, err := sink.WriteEvents(t.Context(), []core.Event{{Match: match, Epoch: epoch, Seq: 1, Tick: 100, Kind: "restored"}, {Match: match, Epoch: epoch, Seq: 2, Tick: 101, Kind: "joined", Player: uint32(10 * epoch)}}); err != nil {
				t.Fatal(err)
			}
		}
		saved := s.restore()
		if saved.Epoch != 1 || len(saved.Events) != 6 {
			t.Errorf("loaded is epoch %d with %v", saved.Epoch, saved.Events)
		}
		eve := s.join("Eve")
		if eve.ID() != 41 {
			t.Errorf("Eve is %v; ids up to 40 were given", eve.ID())
		}
		s.run(time.Second)
		s.shutDown()
		if got := s.story(match, 5); !strings.HasPrefix(got, "restored 0 ") || !strings.HasSuffix(got, "ended 0 map[reason:shutdown]\n") {
			t.Errorf("the story of epoch 5 is\n%s", got)
		}
		if again := s.load(""); again.Epoch != 5 || again.Match != match { // a shut down match goes on
			t.Errorf("loaded is epoch %d of %s", again.Epoch, again.Match)
		}
	})
}

// TestRestoreLobby holds that the players of a lobby join anew, and that their
// objects are gone.
func TestRestoreLobby(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		joined := 0
		waits := func(c *server.Config) {
			c.Match = func(r *server.Room) error {
				r.OnClaim(func(p, seat *server.Player) bool { t.Error("a seat waits"); return true })
				r.OnJoin(func(p *server.Player) {
					joined++
					state.SpawnFor(r.World(), p.ID(), &scout{Name: cardOf(p)})
				})
				if r.Restored() == nil {
					state.Spawn(r.World(), &camp{})
				}
				return r.Lobby().Wait(lobby.AllReady(2))
			}
		}
		s.play(waits)
		s.join("Ann")
		s.run(time.Second)
		s.shutDown()
		if _, err := server.Load(t.Context(), s.store.Open(), ""); !errors.Is(err, core.ErrNotFound) {
			t.Errorf("a match that has not started: %v", err)
		}
		saved := s.load(s.match())
		s.play(waits, func(c *server.Config) { c.Restore = []*server.Saved{saved} })
		ann := s.join("Ann")
		s.run(time.Second)
		if joined != 2 || ann.ID() != 2 || ann.World().Len() != 2 || ann.Lobby().Len() != 1 {
			t.Errorf("%d joined, Ann is %v, sees %d objects and %d players", joined, ann.ID(), ann.World().Len(), ann.Lobby().Len())
		}
		s.shutDown()
	})
}

// TestRestoreWithoutLobby holds that a match that never waits goes on as one that
// takes players always, and that those of a restored match are not joined again.
func TestRestoreWithoutLobby(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		var returned, left []state.PlayerID
		open := func(c *server.Config) {
			c.RefuseLate, c.Grace = true, 5*time.Second
			c.Match = func(r *server.Room) error {
				r.OnClaim(func(p, seat *server.Player) bool { panic("a hook of no use") })
				r.OnClaim(func(p, seat *server.Player) bool {
					if p.ID() != 0 || p.RemoteAddr() == nil || seat.RemoteAddr() != nil || seat.Link().RTT != 0 {
						t.Errorf("%v from %v claims the seat of %v from %v", p.ID(), p.RemoteAddr(), seat.ID(), seat.RemoteAddr())
					}
					if cardOf(p) == "Mallory" {
						p.Kick("you are not welcome")
					}
					return cardOf(p) == cardOf(seat)
				})
				r.OnJoin(func(p *server.Player) {
					state.SpawnFor(r.World(), p.ID(), &scout{Name: cardOf(p)})
				})
				r.OnReturn(func(p *server.Player) { returned = append(returned, p.ID()) })
				r.OnLeave(func(p *server.Player) { left = append(left, p.ID()) })
				for range r.Ticks() {
				}
				return nil
			}
		}
		s.play(open)
		s.join("Ann")
		s.join("Bob")
		s.run(time.Second)
		s.shutDown()
		s.restore(open)
		s.run(time.Second)
		bob := s.join("Bob")
		c, err := client.Dial(t.Context(), "game", client.Config{Transport: s.network, Codec: codec.Msgp{}, Schema: campSchema, Info: Card{"Mallory"}})
		if err == nil {
			_ = c.Close()
			t.Error("a claim hook threw somebody out, who got in all the same")
		}
		s.run(10 * time.Second)
		if bob.ID() != 2 || bob.World().Len() != 1 || bob.Started() || fmt.Sprint(returned, left) != "[player 2] [player 1]" {
			t.Errorf("Bob is %v and sees %d objects, started %v; returned %v, left %v", bob.ID(), bob.World().Len(), bob.Started(), returned, left)
		}
		zoe := s.join("Zoe")
		if zoe.ID() != 3 {
			t.Errorf("Zoe is %v", zoe.ID())
		}
		s.shutDown()
		stats := strings.Count(s.story(s.match(), 2), "\n")
		if stats != 5 { // restored, resumed, left, joined, ended
			t.Errorf("the story is\n%s", s.story(s.match(), 2))
		}
	})
}

// TestRestoreRooms goes on with the matches of two rooms, side by side, and then with
// a new one.
func TestRestoreRooms(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		two := func(c *server.Config) { c.Rooms, c.Matches = 3, 0 }
		s.play(two)
		var names []string
		for _, room := range []string{"red", "blue"} {
			for _, name := range []string{"Ann", "Bob"} {
				c := s.join(name+" "+room, func(c *client.Config) { c.Room = room })
				if err := c.SetReady(true); err != nil {
					t.Fatal(err)
				}
			}
			s.run(time.Second)
		}
		s.shutDown()
		var all []*server.Saved
		for _, name := range s.matches() {
			names = append(names, name)
			all = append(all, s.load(name))
		}
		if len(all) != 2 {
			t.Fatalf("the store has %q", names)
		}
		s.play(two, func(c *server.Config) { c.Restore = all })
		for _, room := range []string{"red", "blue"} {
			c := s.join("Bob "+room, func(c *client.Config) { c.Room = room })
			s.run(time.Second)
			if c.ID() != 2 || c.World().Len() != 3 {
				t.Errorf("Bob of room %s is %v, and sees %d objects", room, c.ID(), c.World().Len())
			}
			for range 3 {
				_ = c.Emit("fire", true)
			}
		}
		s.run(3 * time.Second)
		fresh := s.join("Ann")
		s.run(time.Second)
		if fresh.ID() != 1 || fresh.World().Len() != 0 {
			t.Errorf("in a new match Ann is %v and sees %d objects", fresh.ID(), fresh.World().Len())
		}
		s.shutDown()
		if got := s.matches(); len(got) != 3 {
			t.Errorf("the store has %q", got)
		}
	})
}

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

// TestCrashAnywhere kills servers at random moments, and holds that each match goes on
// from the newest snapshot exactly.
func TestCrashAnywhere(t *testing.T) {
	for seed := range uint64(10) {
		onStage(t, func(t *testing.T, s *stage) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			want := ""
			random := func(c *server.Config) {
				c.SnapshotEvery, c.TickRate = 200*time.Millisecond, 30
				c.Match = func(r *server.Room) error {
					rnd := rand.New(rand.NewPCG(seed, 2))
					if r.Restored() != nil {
						if got := objects(r.World()); got != want {
							t.Errorf("seed %d: the world is\n%s, want\n%s", seed, got, want)
						}
					}
					for range r.Ticks() {
						stir(r, rnd)
					}
					return nil
				}
			}
			s.play(random)
			for range 4 {
				time.Sleep(time.Duration(rnd.Int64N(3e9)) + time.Second/10)
				s.crash()
				_, all := s.snapshots(s.match())
				_, want, _ = strings.Cut(all[len(all)-1], "\n") // without the room
				s.restore(random)
			}
			s.shutDown()
		})
	}
}

// stir does a few things at random.
func stir(r *server.Room, rnd *rand.Rand) {
	w := r.World()
	for range 1 + rnd.IntN(3) {
		if w.Len() < 20 || rnd.IntN(10) == 0 {
			state.SpawnFor(w, state.PlayerID(rnd.IntN(3)), &scout{Name: fmt.Sprint(rnd.IntN(100)), Pos: state.NewPosition2D(state.Position2DConfig{
				At: state.Vec2{X: rnd.Float64(), Y: rnd.Float64()}, Size: state.Vec2{X: 1}, Solid: rnd.IntN(2) == 0})})
		}
		for x := range state.All[*scout](w) {
			switch rnd.IntN(60) {
			case 0:
				x.Despawn()
			case 1:
				x.Pos.SetVelocity(rnd.NormFloat64(), rnd.NormFloat64())
			case 2:
				x.Gold.Set(rnd.IntN(1000))
			case 3:
				x.Bag.Set(strings.Fields("some things or others")[:rnd.IntN(4)])
			}
		}
	}
}

// objects returns what a snapshot of w reads.
func objects(w *state.World) string {
	var f state.Frozen
	w.Freeze(&f)
	var b strings.Builder
	for o := range f.Objects() {
		fmt.Fprintf(&b, "%s %d of %d %v\n", o.Class, o.ID, o.Owner, o.Fields)
	}
	return b.String()
}
