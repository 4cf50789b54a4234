package spool_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mem"
	"github.com/parley-net/parley/sink/spool"
)

// A store goes down during a match, and the server ends before it is back. The next
// server ships what was written meanwhile.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "spool")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store := new(mem.Store) // in the place of a database
	open := func() (*spool.Sink, error) {
		return spool.New(spool.Config{Dir: dir, Sink: store.Open(), Log: slog.New(slog.DiscardHandler)})
	}

	sink, err := open()
	if err != nil {
		fmt.Println(err)
		return
	}
	store.Stop()
	n, err := sink.WriteEvents(ctx, []core.Event{
		{Match: "match 7", Epoch: 1, Seq: 1, Tick: 58, Kind: "joined", Player: 2},
		{Match: "match 7", Epoch: 1, Seq: 2, Tick: 90, Kind: "scored", Player: 2},
	})
	fmt.Println("kept:", n, err)
	soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	fmt.Println("closed with events left:", sink.Close(soon) != nil)

	store.Start()
	if sink, err = open(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("closed:", sink.Close(ctx))

	reader := store.Open()
	for e, err := range reader.Events(ctx, "match 7", 0, 100) {
		fmt.Println("in the store: tick", e.Tick, "player", e.Player, e.Kind, err)
	}
	// Output:
	// kept: 2 <nil>
	// closed with events left: true
	// closed: <nil>
	// in the store: tick 58 player 2 joined <nil>
	// in the store: tick 90 player 2 scored <nil>
}
