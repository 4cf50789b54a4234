package server_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	"github.com/parley-net/parley/transport/mem"
)

// What server and clients share: a tree, and a call to chop at it.
type Tree struct {
	state.Object
	Height state.Var[int]
}

var (
	Chop   = rpc.ToServer[*Tree, int]("chop").ByAnyone()
	Forest = state.NewSchema(state.Class[Tree](), Chop)
)

// felling is a match: it lasts until the tree is down.
func felling(r *server.Room) error {
	if err := r.Lobby().Wait(lobby.AllReady(1)); err != nil {
		return err
	}
	tree := state.Spawn(r.World(), &Tree{Height: state.NewVar(9)})
	Chop.Handle(r, func(t *Tree, from rpc.Caller, n int) {
		t.Height.Set(max(0, t.Height.Get()-n))
	})
	for range r.Ticks() {
		if tree.Height.Get() == 0 {
			return r.Emit("timber", r.Lobby().Len())
		}
	}
	return nil
}

// play is a client: it chops until the match is over.
func play(ctx context.Context, network core.Transport) error {
	c, err := client.Dial(ctx, "forest", client.Config{Transport: network, Codec: codec.Msgp{}, Schema: Forest})
	if err != nil {
		return err
	}
	defer c.Close()
	rpc.On(c, "timber", func(_ rpc.Caller, players int) { fmt.Println("timber! players:", players) })
	state.OnSpawn(c.World(), func(t *Tree) { fmt.Println("a tree, of height", t.Height.Get()) })
	if err := c.SetReady(true); err != nil {
		return err
	}
	for range c.Frames(60) {
		for t := range state.All[*Tree](c.World()) {
			if err := Chop.Call(t, 3); err != nil {
				return err
			}
		}
	}
	for t := range state.All[*Tree](c.World()) {
		fmt.Println("in the end its height is", t.Height.Get())
	}
	var over *core.CloseError
	if errors.As(c.Err(), &over) && over.Code == core.CodeNormal {
		fmt.Println(over.Reason)
		return nil
	}
	return c.Err()
}

// A whole match, with its server and one player, in one process. With tcp.New in place
// of the mem.Transport, and "host:port" in place of "forest", it runs over a real network.
func Example() {
	ctx := context.Background()
	network := new(mem.Transport)
	ln, err := network.Listen(ctx, "forest")
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.New(server.Config{Schema: Forest, Codec: codec.Msgp{}, Match: felling, Matches: 1})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()

	if err := play(ctx, network); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the server returned", <-served)
	// Output:
	// a tree, of height 9
	// timber! players: 1
	// in the end its height is 0
	// the match is over
	// the server returned <nil>
}
