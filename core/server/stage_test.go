package server_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/sink/mem"
	memnet "github.com/parley-net/parley/transport/mem"
)

// A scout is a player's; the camp is the server's.
type (
	scout struct {
		state.Object
		Name string
		Pos  state.Position2D
		Gold state.Var[int]
		Bag  state.Var[[]string]
	}
	camp struct {
		state.Object
		Fires  state.Var[int]
		Keeper state.Var[state.Ref[*scout]]
	}
	haul struct {
		Amount int
		What   string
	}
)

var (
	take       = rpc.ToServer[*scout, haul]("take")
	campSchema = state.NewSchema(state.Class[scout](), state.Class[camp](), take)
)

// patrol is a match that waits for two players, and ends when the camp has three
// fires.
func patrol(r *server.Room) error {
	r.OnClaim(func(p, seat *server.Player) bool { return cardOf(p) == cardOf(seat) })
	if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
		return err
	}
	if r.Restored() == nil {
		state.Spawn(r.World(), &camp{})
	}
	var base *camp
	for base = range state.All[*camp](r.World()) {
	}
	r.OnJoin(func(p *server.Player) {
		s := state.SpawnFor(r.World(), p.ID(), &scout{Name: cardOf(p), Pos: state.NewPosition2D(state.Position2DConfig{MaxSpeed: 5})})
		base.Keeper.Set(state.RefTo(s))
	})
	take.Handle(r, func(s *scout, from rpc.Caller, h haul) {
		s.Gold.Set(s.Gold.Get() + h.Amount)
		s.Bag.Set(append(slices.Clone(s.Bag.Get()), h.What))
		_ = r.Record("haul", from.Player, h)
		if h.What == "crown" {
			r.Snapshot()
		}
	})
	rpc.On(r, "strip", func(from rpc.Caller, _ bool) { // takes the player's scout away
		for x := range state.Owned[*scout](r.World(), from.Player) {
			x.SetOwner(state.Server)
		}
	})
	rpc.On(r, "oust", func(_ rpc.Caller, name string) {
		for p := range r.Players() {
			if cardOf(p) == name {
				p.Kick("we do not like you")
			}
		}
	})
	rpc.On(r, "fire", func(rpc.Caller, bool) { base.Fires.Set(base.Fires.Get() + 1) })
	for range r.Ticks() {
		if base.Fires.Get() >= 3 {
			return nil
		}
	}
	return nil
}

func cardOf(p *server.Player) string {
	var card Card
	_ = p.Info(&card) // who says nothing has no name
	return card.Name
}

// A stage is a store, a network, and a server that records there.
type stage struct {
	t       *testing.T
	network *memnet.Transport
	store   *mem.Store
	sink    core.SnapshotSink // of the server that runs
	served  chan error
	stop    context.CancelFunc
	players []*client.Client
}

// onStage runs a test in virtual time.
func onStage(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		test(t, &stage{t: t, network: new(memnet.Transport), store: new(mem.Store)})
	})
}

// play starts a server, of patrol unless change says otherwise.
func (s *stage) play(change ...func(*server.Config)) {
	s.t.Helper()
	s.sink = s.store.Open()
	cfg := server.Config{Schema: campSchema, Codec: codec.Msgp{}, Match: patrol, Matches: 1, Sink: s.sink}
	for _, fn := range change {
		fn(&cfg)
	}
	srv, err := server.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	ln, err := s.network.Listen(s.t.Context(), "game")
	if err != nil {
		s.t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	served, stop := make(chan error, 1), s.stop
	s.served = served
	go func() { served <- srv.Serve(ctx, ln); close(served) }()
	s.t.Cleanup(func() {
		stop()
		for range served { // it has returned
		}
	})
}

// hush has a player fall silent.
func (s *stage) hush(c *client.Client) {
	s.players = slices.DeleteFunc(slices.Clone(s.players), func(p *client.Client) bool { return p == c })
}

// over waits for the server's end.
func (s *stage) over() {
	s.t.Helper()
	if err := <-s.served; err != nil {
		s.t.Errorf("Serve: %v", err)
	}
}

// shutDown stops the server, and waits.
func (s *stage) shutDown() {
	s.t.Helper()
	s.stop()
	s.over()
	s.forget()
}

// crash ends the server so that nothing of its end reaches the store.
func (s *stage) crash() {
	s.t.Helper()
	if err := s.sink.Close(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	s.shutDown()
}

// forget closes the clients, whose server is gone.
func (s *stage) forget() {
	for _, c := range s.players {
		_ = c.Close()
	}
	s.players = nil
}

func (s *stage) join(name string, change ...func(*client.Config)) *client.Client {
	s.t.Helper()
	cfg := client.Config{Transport: s.network, Codec: codec.Msgp{}, Schema: campSchema, Info: Card{Name: name}}
	for _, fn := range change {
		fn(&cfg)
	}
	c, err := client.Dial(s.t.Context(), "game", cfg)
	if err != nil {
		s.t.Fatalf("%s does not get in: %v", name, err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	s.players = append(s.players, c)
	return c
}

// start has Ann and Bob join, and the match start.
func (s *stage) start() (ann, bob *client.Client) {
	s.t.Helper()
	ann, bob = s.join("Ann"), s.join("Bob")
	for _, c := range []*client.Client{ann, bob} {
		if err := c.SetReady(true); err != nil {
			s.t.Fatal(err)
		}
		s.run(time.Second / 10) // one after the other
	}
	s.until("both see the camp and two scouts", func() bool { return ann.World().Len() == 3 && bob.World().Len() == 3 })
	return ann, bob
}

// run lets the players play for a while.
func (s *stage) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second / 60) {
		for _, c := range s.players {
			_ = c.Update() // the error is that of Err
		}
	}
}

// until lets them play until a condition holds.
func (s *stage) until(what string, condition func() bool) {
	s.t.Helper()
	for range 60 * 60 {
		if s.run(time.Second / 60); condition() {
			return
		}
	}
	s.t.Fatalf("waited a minute for: %s", what)
}

// scoutOf returns a player's scout as c sees it.
func scoutOf(c *client.Client, name string) *scout {
	for x := range state.All[*scout](c.World()) {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// takes has a player's scout take something, and waits until it has.
func (s *stage) takes(c *client.Client, amount int, what string) {
	s.t.Helper()
	for x := range state.Owned[*scout](c.World(), c.ID()) {
		had := len(x.Bag.Get())
		if err := take.Call(x, haul{amount, what}); err != nil {
			s.t.Fatal(err)
		}
		s.until("the scout has "+what, func() bool { return len(x.Bag.Get()) > had })
		return
	}
	s.t.Fatalf("%v has no scout", c.ID())
}

// matches returns the names of what is stored.
func (s *stage) matches() []string {
	s.t.Helper()
	synctest.Wait()
	names, err := s.store.Open().Matches(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return names
}

// match returns the name of the only one.
func (s *stage) match() string {
	s.t.Helper()
	names := s.matches()
	if len(names) != 1 {
		s.t.Fatalf("the store has the matches %q", names)
	}
	return names[0]
}

// events returns what is stored of a match's epoch, and fails if it is not in order.
func (s *stage) events(match string, epoch uint64) (all []core.Event) {
	s.t.Helper()
	for e, err := range s.store.Open().Events(context.Background(), match, 0, math.MaxUint64) {
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Epoch != epoch {
			continue
		}
		n := len(all)
		if e.Seq != uint64(n+1) || n > 0 && (e.Tick < all[n-1].Tick || e.Time.Before(all[n-1].Time)) {
			s.t.Errorf("event %d is number %d, of tick %d", n+1, e.Seq, e.Tick)
		}
		all = append(all, e)
	}
	return all
}

// story is the events of an epoch as lines of text.
func (s *stage) story(match string, epoch uint64) string {
	s.t.Helper()
	var b strings.Builder
	for _, e := range s.events(match, epoch) {
		fmt.Fprintf(&b, "%s %d", e.Kind, e.Player)
		if len(e.Data) > 0 {
			fmt.Fprintf(&b, " %v", e.Data)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// tells fails unless the story of an epoch is this.
func (s *stage) tells(match string, epoch uint64, want string) {
	s.t.Helper()
	if got := s.story(match, epoch); got != strings.TrimLeft(want, "\n") {
		s.t.Errorf("the story of epoch %d is\n%s, want\n%s", epoch, got, want)
	}
}

// snapshots returns the snapshots of a match, their objects as text.
func (s *stage) snapshots(match string) (all []core.Snapshot, objects []string) {
	s.t.Helper()
	for x, err := range s.store.Open().Snapshots(context.Background(), match, 0, math.MaxUint64) {
		if err != nil {
			s.t.Fatal(err)
		}
		var b strings.Builder
		for o := range x.Objects {
			fmt.Fprintf(&b, "%s %d of %d %v\n", o.Class, o.ID, o.Owner, o.Fields)
		}
		all, objects = append(all, x), append(objects, b.String())
	}
	return all, objects
}
