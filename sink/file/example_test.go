package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/file"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "parley")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	sink, err := file.Open(file.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close(ctx)
	start := time.Date(2024, 2, 29, 23, 59, 58, 0, time.UTC)
	_, err = sink.WriteEvents(ctx, []core.Event{
		{Match: "match 7", Epoch: 1, Seq: 1, Tick: 58, Time: start, Kind: "joined", Player: 2, Data: map[string]any{"name": "bob"}},
	})
	fmt.Println("written:", err)
	err = sink.WriteSnapshot(ctx, core.Snapshot{
		Match: "match 7", Epoch: 1, Tick: 60, Time: start.Add(time.Second),
		Objects: slices.Values([]core.ObjectState{
			{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}, {Name: "X", Value: 1.5}}},
		}),
	})
	fmt.Println("written:", err)

	// Another process may read, also while this one writes.
	reader, err := file.Open(file.Config{Dir: dir, ReadOnly: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close(ctx)
	newest, err := reader.Latest(ctx, "match 7")
	if err != nil {
		fmt.Println(err)
		return
	}
	for o := range newest.Objects {
		fmt.Println("tick", newest.Tick, o.Class, o.Fields)
	}
	for e, err := range reader.Events(ctx, "match 7", 0, newest.Tick) {
		fmt.Println("tick", e.Tick, "player", e.Player, e.Kind, e.Data, err)
	}
	_, err = reader.Latest(ctx, "match 8")
	fmt.Println(errors.Is(err, core.ErrNotFound))

	text, err := os.ReadFile(filepath.Join(dir, "match%207.jsonl"))
	fmt.Println(strings.Split(string(text), "\n")[1], err)
	// Output:
	// written: <nil>
	// written: <nil>
	// tick 60 Knight [{HP 80} {X 1.5}]
	// tick 58 player 2 joined map[name:bob] <nil>
	// true
	// {"type":"event","match":"match 7","epoch":1,"seq":1,"tick":58,"time":"2024-02-29T23:59:58.000000000Z","kind":"joined","player":2,"data":{"name":"bob"},"crc":"9d7badf1"} <nil>
}
