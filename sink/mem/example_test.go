package mem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
)

func Example() {
	ctx := context.Background()
	store := new(mem.Store)

	sink := store.Open()
	err := sink.WriteSnapshot(ctx, core.Snapshot{
		Match: "match 7", Epoch: 1, Tick: 60, Time: time.Now(),
		Objects: slices.Values([]core.ObjectState{
			{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}}},
		}),
	})
	fmt.Println("written:", err)
	_, err = sink.WriteEvents(ctx, []core.Event{{Match: "match 7", Epoch: 1, Seq: 1, Tick: 58, Kind: "joined", Player: 2}})
	fmt.Println("written:", err)
	sink.Close(ctx)

	reader := store.Open()
	defer reader.Close(ctx)
	newest, _ := reader.Latest(ctx, "match 7")
	for o := range newest.Objects {
		fmt.Println("tick", newest.Tick, o.Class, o.Fields)
	}
	for e, err := range reader.Events(ctx, "match 7", 0, newest.Tick) {
		fmt.Println("tick", e.Tick, "player", e.Player, e.Kind, err)
	}
	_, err = reader.Latest(ctx, "match 8")
	fmt.Println(errors.Is(err, core.ErrNotFound), err)
	// Output:
	// written: <nil>
	// written: <nil>
	// tick 60 Knight [{HP 80}]
	// tick 58 player 2 joined <nil>
	// true mem: no snapshot of match "match 8"
}

// A store that is stopped shows a program what it does when its database is down.
func ExampleStore_Stop() {
	ctx := context.Background()
	store := new(mem.Store)
	sink := store.Open()
	defer sink.Close(ctx)

	events := []core.Event{{Match: "m", Epoch: 1, Seq: 1, Kind: "joined"}}
	store.Stop()
	n, err := sink.WriteEvents(ctx, events)
	fmt.Println(n, err)
	store.Start()
	n, err = sink.WriteEvents(ctx, events[n:])
	fmt.Println(n, err)
	// Output:
	// 0 mem: the store is stopped
	// 1 <nil>
}
