package mongo_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

// exampleURL is that of the test's own server, in place of
// mongodb://localhost:27017/arena.
func exampleURL() (url string, stop func()) {
	p := blankPeer()
	if err := p.start(); err != nil {
		panic(err)
	}
	return p.url(), p.stop
}

func Example() {
	url, stop := exampleURL()
	defer stop()
	ctx := context.Background()
	sink, err := mongo.Open(ctx, url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close(ctx)

	start := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	err = sink.WriteSnapshot(ctx, core.Snapshot{
		Match: "arena", Epoch: 1, Tick: 60, Time: start,
		Objects: slices.Values([]core.ObjectState{
			{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}}},
		}),
	})
	fmt.Println("written:", err)
	_, err = sink.WriteEvents(ctx, []core.Event{{Match: "arena", Epoch: 1, Seq: 1, Tick: 58, Time: start, Kind: "joined", Player: 2}})
	fmt.Println("written:", err)

	newest, err := sink.Latest(ctx, "arena")
	if err != nil {
		fmt.Println(err)
		return
	}
	for o := range newest.Objects {
		fmt.Println("tick", newest.Tick, o.Class, o.Fields)
	}
	for e, err := range sink.Events(ctx, "arena", 0, newest.Tick) {
		fmt.Println("tick", e.Tick, "player", e.Player, e.Kind, err)
	}
	_, err = sink.Latest(ctx, "nowhere")
	fmt.Println(errors.Is(err, core.ErrNotFound), err)
	// Output:
	// written: <nil>
	// written: <nil>
	// tick 60 Knight [{HP 80}]
	// tick 58 player 2 joined <nil>
	// true mongo: database db has no match "nowhere"
}

// Matches that share two collections, which keep a month.
func Example_shared() {
	url, stop := exampleURL()
	defer stop()
	sink, err := mongo.New(mongo.Config{
		URL:         url,
		Collections: func(string, time.Time) (state, events string) { return "game-state", "server-events" },
		Expire:      30 * 24 * time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer sink.Close(ctx)
	n, err := sink.WriteEvents(ctx, []core.Event{
		{Match: "arena", Epoch: 1, Seq: 1, Kind: "joined", Player: 2},
		{Match: "castle", Epoch: 1, Seq: 1, Kind: "joined", Player: 1},
	})
	fmt.Println(n, err)
	fmt.Println(sink.Matches(ctx))
	// Output:
	// 2 <nil>
	// [arena castle] <nil>
}
