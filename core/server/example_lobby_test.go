package server_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/client"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/transport/mem"
)

// serve starts a server on a network of its own. stop ends it and waits for that.
func serve(cfg server.Config) (network *mem.Transport, stop func()) {
	cfg.Schema, cfg.Codec = Schema, codec.Msgp{}
	network = new(mem.Transport)
	ln, err := network.Listen(context.Background(), "game")
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		if err := srv.Serve(context.Background(), ln); err != nil {
			log.Fatal(err)
		}
	}()
	return network, func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
}

// dial joins the room, "" for any, as a player of this name.
func dial(network *mem.Transport, room, name string) (*client.Client, error) {
	return client.Dial(context.Background(), "game", client.Config{
		Transport: network, Codec: codec.Msgp{}, Schema: Schema, Room: room, Info: Card{Name: name},
	})
}

// A match waits in its lobby until all are ready. Players see each other there, and
// whoever finds no seat is told so.
func ExampleLobby_Wait() {
	network, stop := serve(server.Config{Seats: 2, Match: func(r *server.Room) error {
		if err := r.Lobby().Wait(lobby.AllReady(2)); err != nil {
			return err
		}
		for range r.Ticks() {
		}
		return nil
	}})
	defer stop()

	ann, err := dial(network, "", "Ann")
	if err != nil {
		log.Fatal(err)
	}
	defer ann.Close()
	bob, err := dial(network, "", "Bob")
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()

	_, err = dial(network, "", "Eve")
	var refused *lobby.RefusedError
	if errors.As(err, &refused) {
		fmt.Printf("Eve gets no seat (%v): %s\n", refused.Code, refused.Reason)
	}

	ann.OnPhase(func(started bool) { fmt.Println("the match has started:", started) })
	ann.SetReady(true)
	bob.SetReady(true)
	for range ann.Frames(60) {
		if ann.Started() {
			break
		}
	}
	for p := range ann.Lobby().Players() {
		var card Card
		if err := ann.InfoOf(p, &card); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v is %s: %v, ready: %v\n", p.ID, card.Name, p.Status, p.Ready)
	}
	// Output:
	// Eve gets no seat (full): the room is full: 2 of 2 seats are taken
	// the match has started: true
	// player 1 is Ann: ok, ready: true
	// player 2 is Bob: ok, ready: true
}

// Several matches run side by side, each in a room of its own. A client names the room
// it wants, which opens if there is a place for it.
func ExampleServer_rooms() {
	network, stop := serve(server.Config{Rooms: 3, Match: func(r *server.Room) error {
		r.OnJoin(func(p *server.Player) {
			_ = r.EmitTo("welcome", "this is room "+r.Name(), p.ID())
		})
		for range r.Ticks() {
		}
		return nil
	}})
	defer stop()

	for _, room := range []string{"", "red", "blue", "red", "green"} {
		c, err := dial(network, room, "Ann")
		if err != nil {
			fmt.Println(err)
			continue
		}
		defer c.Close()
		fmt.Printf("asked for %q, got %q as %v\n", room, c.Room(), c.ID())
	}
	// Output:
	// asked for "", got "main" as player 1
	// asked for "red", got "red" as player 1
	// asked for "blue", got "blue" as player 1
	// asked for "red", got "red" as player 2
	// parley: join game: refused: there is no room "green", and no place for another
}

// Shutdown ends a server: the loops over Ticks end, matches return, players get the
// last state and are told.
func ExampleServer_Shutdown() {
	network := new(mem.Transport)
	ln, err := network.Listen(context.Background(), "game")
	if err != nil {
		log.Fatal(err)
	}
	srv, err := server.New(server.Config{Schema: Schema, Codec: codec.Msgp{}, Match: func(r *server.Room) error {
		for range r.Ticks() {
		}
		fmt.Println("the match returns")
		return nil
	}})
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	c, err := dial(network, "", "Ann")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(srv.Shutdown(ctx), <-served)
	for range c.Frames(60) {
	}
	fmt.Println(c.Err(), errors.Is(c.Err(), core.ErrClosed))
	// Output:
	// the match returns
	// <nil> <nil>
	// parley: connection closed by the peer (shutdown): the server is shutting down true
}
