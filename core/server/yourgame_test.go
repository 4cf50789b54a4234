package server_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/mem"
)

// This file is a template: a small game, and a test of it that plays a whole match
// with two players in one process and in virtual time. Copy it, and put your own game
// in place of this one.

// A Digger is a player's figure in the game under test.
type Digger struct {
	state.Object
	Name string
	Gold state.Var[int]
}

// Card is what players say about themselves.
type Card struct{ Name string }

var (
	Dig    = rpc.ToServer[*Digger, int]("dig")
	Schema = state.NewSchema(state.Class[Digger](), Dig)
)

// digging is the match: whoever has dug ten pieces of gold first wins.
func digging(r *server.Room) error {
	if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
		return err
	}
	r.OnJoin(func(p *server.Player) {
		var card Card
		if err := p.Info(&card); err != nil {
			p.Kick("who are you?")
			return
		}
		state.SpawnFor(r.World(), p.ID(), &Digger{Name: card.Name})
	})
	Dig.Handle(r, func(d *Digger, from rpc.Caller, n int) {
		if n == 1 { // no more than a piece at a time
			d.Gold.Set(d.Gold.Get() + n)
		}
	})
	for range r.Ticks() {
		for d := range state.All[*Digger](r.World()) {
			if d.Gold.Get() >= 10 {
				return r.Emit("winner", d.Name)
			}
		}
	}
	return nil
}

func TestYourGame(t *testing.T) {
	// In the bubble time is virtual: it stands still while anything runs, and jumps
	// when all goroutines wait. Nothing in it depends on how fast the machine is. The
	// network must be made inside.
	synctest.Test(t, func(t *testing.T) {
		network := new(mem.Transport)
		ln, err := network.Listen(t.Context(), "game")
		if err != nil {
			t.Fatal(err)
		}
		srv, err := server.New(server.Config{Schema: Schema, Codec: codec.Msgp{}, Match: digging, Matches: 1})
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(t.Context(), ln) }()

		ann, bob := join(t, network, "Ann"), join(t, network, "Bob")
		var heard []string
		for _, c := range []*client.Client{ann, bob} {
			rpc.On(c, "winner", func(_ rpc.Caller, name string) { heard = append(heard, name) })
			if err := c.SetReady(true); err != nil {
				t.Fatal(err)
			}
		}

		// Play until both players see both figures.
		until(t, "both see two figures", func() bool { return ann.World().Len() == 2 && bob.World().Len() == 2 }, ann, bob)

		// Bob cheats, and gets nothing by it: too much at once, and Ann's figure.
		if err := Dig.Call(figure(t, bob), 1000); err != nil {
			t.Error(err)
		}
		for d := range state.All[*Digger](bob.World()) {
			if !d.IsMine() && Dig.Call(d, 1) == nil {
				t.Errorf("Bob may dig with %s's figure", d.Name)
			}
		}

		// Ann digs, and everybody sees it.
		for range 3 {
			if err := Dig.Call(figure(t, ann), 1); err != nil {
				t.Error(err)
			}
		}
		until(t, "Bob sees Ann's gold", func() bool {
			for d := range state.All[*Digger](bob.World()) {
				if d.Name == "Ann" && d.Gold.Get() == 3 {
					return true
				}
			}
			return false
		}, ann, bob)
		if n := figure(t, bob).Gold.Get(); n != 0 {
			t.Errorf("Bob has %d pieces of gold", n)
		}

		// Ann wins, both hear it, and the match is over.
		for range 7 {
			if err := Dig.Call(figure(t, ann), 1); err != nil {
				t.Error(err)
			}
		}
		until(t, "the match is over", func() bool { return ann.Err() != nil && bob.Err() != nil }, ann, bob)
		if got := fmt.Sprint(heard); got != "[Ann Ann]" {
			t.Errorf("the winners that were heard of are %s", got)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// join joins as a player of this name, who leaves when the test is over.
func join(t *testing.T, network *mem.Transport, name string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), "game", client.Config{
		Transport: network, Codec: codec.Msgp{}, Schema: Schema, Info: Card{Name: name},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// until lets the players play until a condition holds, for a minute of virtual time
// at most.
func until(t *testing.T, what string, condition func() bool, players ...*client.Client) {
	t.Helper()
	for range 60 * 60 {
		for _, c := range players {
			_ = c.Update() // the error is that of Err
		}
		if condition() {
			return
		}
		time.Sleep(time.Second / 60)
	}
	t.Fatalf("waited a minute for: %s", what)
}

// figure returns a player's own figure.
func figure(t *testing.T, c *client.Client) *Digger {
	t.Helper()
	for d := range state.Owned[*Digger](c.World(), c.ID()) {
		return d
	}
	t.Fatalf("%v has no figure", c.ID())
	return nil
}
