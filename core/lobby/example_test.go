package lobby_test

import (
	"errors"
	"fmt"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
)

// A lobby of two seats, from its first player to the start of the match.
func Example() {
	l := lobby.New(2, false)
	ann, _ := l.Join([]byte("Ann"))
	bob, _ := l.Join([]byte("Bob"))

	_, err := l.Join([]byte("Eve"))
	var refused *lobby.RefusedError
	fmt.Println(err, errors.As(err, &refused) && refused.Code == core.CodeFull)

	begin := lobby.AllReady(2)
	l.SetReady(ann, true)
	fmt.Println("begin:", begin(l))
	l.SetReady(bob, true)
	fmt.Println("begin:", begin(l))
	l.Start()

	l.Lose(bob)
	for p := range l.Players() {
		fmt.Printf("%v %s: %v\n", p.ID, p.Info, p.Status)
	}
	l.Leave(bob)
	_, err = l.Join([]byte("Eve"))
	fmt.Println(err)
	// Output:
	// refused: the room is full: 2 of 2 seats are taken true
	// begin: false
	// begin: true
	// player 1 Ann: ok
	// player 2 Bob: lost connection
	// refused: the match has started and takes no more players
}

// A game decides for itself when its match begins.
func ExampleCondition() {
	pairs := func(l *lobby.Lobby) bool { return l.Len()%2 == 0 && lobby.AllReady(2)(l) }

	l := lobby.New(0, false)
	for range 4 {
		id, _ := l.Join(nil)
		l.SetReady(id, true)
		fmt.Println(l.Len(), "players are ready; begin:", pairs(l))
	}
	// Output:
	// 1 players are ready; begin: false
	// 2 players are ready; begin: true
	// 3 players are ready; begin: false
	// 4 players are ready; begin: true
}

// A copy follows its original by the changes: what a client has is made so.
func ExampleLobby_TakeChanges() {
	l, copied := lobby.New(4, true), lobby.New(4, true)
	follow := func() {
		for _, p := range l.TakeChanges() {
			fmt.Printf("told: %v is %v, ready: %v\n", p.ID, p.Status, p.Ready)
			copied.Put(p)
		}
	}
	ann, _ := l.Join(nil)
	bob, _ := l.Join(nil)
	follow()
	l.SetReady(ann, true)
	l.Leave(bob)
	follow()
	fmt.Println(copied.Len(), "player in the copy")
	// Output:
	// told: player 1 is ok, ready: false
	// told: player 2 is ok, ready: false
	// told: player 1 is ok, ready: true
	// told: player 2 is disconnected, ready: false
	// 1 player in the copy
}
