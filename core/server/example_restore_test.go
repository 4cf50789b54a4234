package server_test

import (
	"context"
	"fmt"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
	sinkmem "github.com/parley-net/parley/sink/mem"
	"github.com/parley-net/parley/transport/mem"
)

// A match is recorded, and goes on after its server went down.
func ExampleLoad() {
	ctx := context.Background()
	network := new(mem.Transport)
	store := new(sinkmem.Store) // package file keeps it on disk

	grow := func(to int) func(*server.Room) error {
		return func(r *server.Room) error {
			if saved := r.Restored(); saved == nil {
				fmt.Println("planted:", state.Spawn(r.World(), &Tree{}))
			} else {
				fmt.Println("going on with epoch", saved.Epoch, "of room", saved.Room)
			}
			for range r.Ticks() {
				for t := range state.All[*Tree](r.World()) {
					t.Height.Set(t.Height.Get() + 1)
					if t.Height.Get() == to {
						fmt.Println(t, "is", t.Height, "high")
						return r.Record("high", state.Server, map[string]int{"height": to})
					}
				}
			}
			return nil
		}
	}
	serve := func(ctx context.Context, match func(*server.Room) error, restore ...*server.Saved) error {
		sink := store.Open()
		defer sink.Close(ctx)
		srv, err := server.New(server.Config{Schema: Forest, Codec: codec.Msgp{}, Match: match, Matches: 1, Sink: sink, Restore: restore})
		if err != nil {
			return err
		}
		ln, err := network.Listen(ctx, "forest")
		if err != nil {
			return err
		}
		return srv.Serve(ctx, ln)
	}

	down, pull := context.WithCancel(ctx)
	planted := grow(3)
	if err := serve(down, func(r *server.Room) error { defer pull(); return planted(r) }); err != nil {
		fmt.Println(err)
	}
	saved, err := server.Load(ctx, store.Open(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := serve(ctx, grow(5), saved); err != nil {
		fmt.Println(err)
	}
	for e, err := range store.Open().Events(ctx, saved.Match, 0, 1000) {
		fmt.Println(e.Epoch, e.Seq, e.Kind, err)
	}
	// Output:
	// planted: Tree 1
	// Tree 1 is 3 high
	// going on with epoch 1 of room main
	// Tree 1 is 5 high
	// 1 1 started <nil>
	// 1 2 high <nil>
	// 1 3 ended <nil>
	// 2 1 restored <nil>
	// 2 2 high <nil>
	// 2 3 ended <nil>
}
