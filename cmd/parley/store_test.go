package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/file"
)

// recorded fills a store with a short match and returns its URL.
func recorded(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := file.Open(file.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2030, 1, 31, 18, 30, 0, 0, time.UTC)
	knight := func(id uint64, owner uint32, gold int64, name string) core.ObjectState {
		return core.ObjectState{ID: id, Class: "Knight", Owner: owner, Alive: true, Fields: []core.Field{
			{Name: "Name", Value: name}, {Name: "Gold", Value: gold}, {Name: "X", Value: 1.5},
		}}
	}
	chest := core.ObjectState{ID: 3, Class: "Chest", Alive: true, Fields: []core.Field{{Name: "Keys", Value: []any{"red", int64(7)}}}}
	for i, objects := range [][]core.ObjectState{
		{knight(1, 1, 0, "Ann"), chest},
		{knight(1, 1, 12, "Ann"), knight(2, 2, 3, "Bob\x1b[31m")},
	} {
		at := start.Add(time.Duration(i) * 30 * time.Second)
		x := core.Snapshot{Match: "main 1", Epoch: 1, Tick: uint64(i) * 1800, Time: at, Objects: slices.Values(objects)}
		if err := s.WriteSnapshot(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range []core.Event{
		{Tick: 0, Kind: "match started"},
		{Tick: 900, Kind: "joined", Player: 2, Data: map[string]any{"name": "Bob"}},
		{Tick: 2000, Kind: "match ended"},
	} {
		e.Match, e.Epoch, e.Seq, e.Time = "main 1", 1, uint64(i+1), start.Add(time.Duration(e.Tick)*time.Second/60)
		if _, err := s.WriteEvents(t.Context(), []core.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return "file:" + dir
}

func TestStore(t *testing.T) {
	url := recorded(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"matches", url}, `
MATCH   EPOCH  TICK  TIME                  OBJECTS
main 1  1      1800  2030-01-31T18:30:30Z  2
`},
		{[]string{"show", url, "main 1"}, `
main 1, epoch 1, tick 1800, 2030-01-31T18:30:30Z: 2 objects

Knight
  ID  OWNER     ALIVE  Name           Gold  X
  1   player 1  yes    Ann            12    1.5
  2   player 2  yes    "Bob\x1b[31m"  3     1.5
`},
		{[]string{"show", "-at", "1799", url, "main 1"}, `
main 1, epoch 1, tick 0, 2030-01-31T18:30:00Z: 2 objects

Chest
  ID  OWNER   ALIVE  Keys
  3   server  yes    [red 7]

Knight
  ID  OWNER     ALIVE  Name  Gold  X
  1   player 1  yes    Ann   0     1.5
`},
		{[]string{"diff", url, "main 1", "2030-01-31T18:30:10Z", "1800"}, `
from main 1, epoch 1, tick 0, 2030-01-31T18:30:00Z: 2 objects
to   main 1, epoch 1, tick 1800, 2030-01-31T18:30:30Z: 2 objects

~ Knight 1  Gold 0 → 12
+ Knight 2  of player 2
  Knight 2  Name = "Bob\x1b[31m"
  Knight 2  Gold = 3
  Knight 2  X = 1.5
- Chest 3   of server

EVENTS
  900  18:30:15.000  joined  player 2  {name:Bob}
`},
		{[]string{"diff", url, "main 1", "0", "1"}, `
from main 1, epoch 1, tick 0, 2030-01-31T18:30:00Z: 2 objects
to   main 1, epoch 1, tick 0, 2030-01-31T18:30:00Z: 2 objects

nothing changed
`},
	} {
		status, out, errOut := runCommand(t, c.args...)
		if status != 0 || out != strings.TrimPrefix(c.want, "\n") {
			t.Errorf("%q: status %d, %s\n%s\nwant%s", c.args, status, errOut, out, c.want)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"show", url, "nobody's"}, "nobody's"},
		{[]string{"show", "-at", "yesterday", url, "main 1"}, "neither a tick"},
		{[]string{"show", "-at", "2029-01-01T00:00:00Z", url, "main 1"}, "no snapshot at or before"},
		{[]string{"matches", "ftp://here"}, "is no store"},
		{[]string{"matches", "file:/nowhere/at/all"}, "/nowhere/at/all"},
	} {
		if status, out, errOut := runCommand(t, c.args...); status != 1 || out != "" || !strings.Contains(errOut, c.want) {
			t.Errorf("%q: status %d, %q, %q, want %q", c.args, status, out, errOut, c.want)
		}
	}
	for _, args := range [][]string{{"matches"}, {"show", url}, {"diff", url, "main 1", "0"}} {
		if status, _, _ := runCommand(t, args...); status != 2 {
			t.Errorf("%q: status %d, want 2", args, status)
		}
	}
}
