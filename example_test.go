package parley_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// What server and clients share: a knight, and a call to dig for gold.
type Knight struct {
	state.Object
	Name string
	Gold state.Var[int]
}

type Card struct{ Name string }

var (
	Dig    = rpc.ToServer[*Knight, int]("dig")
	Schema = state.NewSchema(state.Class[Knight](), Dig)
)

// match is over when somebody has three pieces of gold.
func match(r *server.Room) error {
	if err := r.Lobby().Wait(lobby.AtLeast(1)); err != nil {
		return err
	}
	r.OnJoin(func(p *server.Player) {
		var card Card
		if err := p.Info(&card); err == nil {
			state.SpawnFor(r.World(), p.ID(), &Knight{Name: card.Name})
		}
	})
	Dig.Handle(r, func(k *Knight, from rpc.Caller, n int) {
		k.Gold.Set(k.Gold.Get() + n)
	})
	for range r.Ticks() {
		for k := range state.All[*Knight](r.World()) {
			if k.Gold.Get() >= 3 {
				return nil
			}
		}
	}
	return nil
}

// A first game, over real sockets on this machine: a server that plays one match,
// and a client that digs until it is over.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	ready, served := make(chan string, 1), make(chan error, 1)
	go func() {
		served <- parley.Serve(ctx, "127.0.0.1:0", parley.Server{
			Schema: Schema, Match: match, Matches: 1,
			Ready: func(addr string) { ready <- addr }, // what players type
		})
	}()

	c, err := parley.Dial(ctx, <-ready, parley.Client{Schema: Schema, Info: Card{Name: "Ann"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	state.OnSpawn(c.World(), func(k *Knight) {
		fmt.Println(k.Name, "digs; it is my knight:", k.IsMine())
		for range 3 {
			Dig.Call(k, 1)
		}
	})
	for range c.Frames(60) {
	}
	for k := range state.All[*Knight](c.World()) {
		fmt.Println(k.Name, "has", k.Gold.Get(), "pieces of gold")
	}
	fmt.Println(c.Err())
	fmt.Println("served:", <-served)
	// Output:
	// Ann digs; it is my knight: true
	// Ann has 3 pieces of gold
	// parley: connection closed by the peer: the match is over
	// served: <nil>
}
