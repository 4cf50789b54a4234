package server_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

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
restored 0 map[epoch:1 tick:`+fmt.Sprint(s.lastTick(match, 1))+` undone:1]
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

// lastTick returns the tick of the newest snapshot of an epoch.
func (s *stage) lastTick(match string, epoch uint64) (tick uint64) {
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
