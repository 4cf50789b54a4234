package lobby_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

// join seats n players who say nothing.
func join(t testing.TB, l *lobby.Lobby, n int) {
	t.Helper()
	for range n {
		if _, err := l.Join(nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		seats int
		late  bool
		do    func(*lobby.Lobby)
		info  []byte
		code  core.Code // 0 where the player comes in
		text  string
	}{
		{"a free seat", 2, false, func(l *lobby.Lobby) { join(t, l, 1) }, nil, 0, ""},
		{"full", 2, false, func(l *lobby.Lobby) { join(t, l, 2) }, nil, core.CodeFull, "the room is full: 2 of 2 seats are taken"},
		{"full of players who lost the connection", 1, false, func(l *lobby.Lobby) { join(t, l, 1); l.Lose(1) }, nil, core.CodeFull, "the room is full: 1 of 1 seats are taken, 1 of them kept for players who lost their connection"},
		{"one has left", 2, false, func(l *lobby.Lobby) { join(t, l, 2); l.Leave(1) }, nil, 0, ""},
		{"no limit", 0, false, func(l *lobby.Lobby) { join(t, l, 500) }, nil, 0, ""},
		{"started", 2, false, (*lobby.Lobby).Start, nil, core.CodeStarted, "the match has started and takes no more players"},
		{"started, with late joiners", 2, true, (*lobby.Lobby).Start, nil, 0, ""},
		{"started, and reopened", 2, false, func(l *lobby.Lobby) { l.Start(); l.Reopen() }, nil, 0, ""},
		{"locked", 2, false, func(l *lobby.Lobby) { l.Lock("invited players only") }, nil, core.CodeRefused, "invited players only"},
		{"locked and full", 1, false, func(l *lobby.Lobby) { join(t, l, 1); l.Lock("no") }, nil, core.CodeRefused, "no"},
		{"unlocked", 2, false, func(l *lobby.Lobby) { l.Lock("no"); l.Lock("") }, nil, 0, ""},
		{"the longest info", 2, false, func(*lobby.Lobby) {}, make([]byte, lobby.MaxInfo), 0, ""},
		{"info too long", 2, false, func(*lobby.Lobby) {}, make([]byte, lobby.MaxInfo+1), core.CodeRefused, "the player info has 4097 bytes; at most 4096 are allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lobby.New(c.seats, c.late)
			c.do(l)
			before := l.Len()
			id, err := l.Join(c.info)
			if c.text == "" {
				if p, ok := l.Player(id); err != nil || !ok || p.Status != lobby.OK || p.Ready {
					t.Errorf("the player became %+v, %v", p, err)
				}
				return
			}
			var refused *lobby.RefusedError
			if !errors.As(err, &refused) || refused.Code != c.code || err.Error() != "refused: "+c.text {
				t.Fatalf("Join returned %v, want %v: %s", err, c.code, c.text)
			}
			if !errors.Is(err, core.ErrRefused) || errors.Is(err, core.ErrClosed) {
				t.Errorf("%v is no ErrRefused, or an ErrClosed", err)
			}
			if id != 0 || l.Len() != before {
				t.Errorf("the refused player has the id %d and a seat: %v", id, l.Len() != before)
			}
		})
	}
	if got := (&lobby.RefusedError{Code: core.CodeFull}).Error(); got != "refused: full" {
		t.Errorf("a refusal without a reason reads %q", got)
	}
}

func TestConditions(t *testing.T) {
	type p = lobby.Player
	here := func(status lobby.Status, ready bool) p { return p{Status: status, Ready: ready} }
	ready, idle, lost := here(lobby.OK, true), here(lobby.OK, false), here(lobby.LostConnection, true)
	for _, c := range []struct {
		name     string
		players  []p
		allReady []int // for which n it holds, of 0 to 3
		atLeast  []int
	}{
		{"nobody", nil, []int{0}, []int{0}},
		{"one ready", []p{ready}, []int{0, 1}, []int{0, 1}},
		{"one idle", []p{idle}, nil, []int{0, 1}},
		{"two ready", []p{ready, ready}, []int{0, 1, 2}, []int{0, 1, 2}},
		{"one of two ready", []p{ready, idle}, nil, []int{0, 1, 2}},
		{"one of three lost", []p{ready, lost, ready}, nil, []int{0, 1, 2}},
		{"one lost", []p{lost}, nil, []int{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lobby.New(0, false)
			for i, p := range c.players {
				p.ID = state.PlayerID(i + 1)
				l.Put(p)
			}
			for n := range 4 {
				if got, want := lobby.AllReady(n)(l), slices.Contains(c.allReady, n); got != want {
					t.Errorf("AllReady(%d) is %v, want %v", n, got, want)
				}
				if got, want := lobby.AtLeast(n)(l), slices.Contains(c.atLeast, n); got != want {
					t.Errorf("AtLeast(%d) is %v, want %v", n, got, want)
				}
			}
		})
	}
}

// TestChanges holds what a copy is told, and that it is told once.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*lobby.Lobby)
		want []lobby.Player // without info
	}{
		{"nothing", func(*lobby.Lobby) {}, nil},
		{"join", func(l *lobby.Lobby) { join(t, l, 1) }, []lobby.Player{{ID: 4, Status: lobby.OK}}},
		{"ready", func(l *lobby.Lobby) { l.SetReady(2, true) }, []lobby.Player{{ID: 2, Status: lobby.OK, Ready: true}}},
		{"ready, as before", func(l *lobby.Lobby) { l.SetReady(2, false) }, nil},
		{"info", func(l *lobby.Lobby) { l.SetInfo(3, []byte("x")) }, []lobby.Player{{ID: 3, Status: lobby.OK}}},
		{"info, as before", func(l *lobby.Lobby) { l.SetInfo(3, nil) }, nil},
		{"lost", func(l *lobby.Lobby) { l.Lose(1) }, []lobby.Player{{ID: 1, Status: lobby.LostConnection}}},
		{"lost and back", func(l *lobby.Lobby) { l.Lose(1); l.Regain(1) }, []lobby.Player{{ID: 1, Status: lobby.OK}}},
		{"left", func(l *lobby.Lobby) { l.Leave(2) }, []lobby.Player{{ID: 2}}},
		{"came and left", func(l *lobby.Lobby) { join(t, l, 1); l.Leave(4) }, []lobby.Player{{ID: 4}}},
		{"several", func(l *lobby.Lobby) { l.Leave(3); l.SetReady(1, true); l.Lose(2) },
			[]lobby.Player{{ID: 1, Status: lobby.OK, Ready: true}, {ID: 2, Status: lobby.LostConnection}, {ID: 3}}},
		{"of players who are not here", func(l *lobby.Lobby) { l.Leave(9); l.SetReady(9, true); l.SetInfo(9, nil); l.Lose(9); l.Regain(9) }, nil},
		{"in the wrong state", func(l *lobby.Lobby) { l.Regain(1) }, nil},
		{"reopen", func(l *lobby.Lobby) { l.SetReady(1, true); l.TakeChanges(); l.Start(); l.Reopen() }, []lobby.Player{{ID: 1, Status: lobby.OK}}},
		{"put away", func(l *lobby.Lobby) { l.Put(lobby.Player{ID: 1}) }, []lobby.Player{{ID: 1}}},
		{"start and lock", func(l *lobby.Lobby) { l.Start(); l.Lock("no") }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lobby.New(8, true)
			join(t, l, 3)
			l.TakeChanges()
			c.do(l)
			if l.Changed() != (c.want != nil) {
				t.Errorf("Changed is %v", l.Changed())
			}
			got := l.TakeChanges()
			for i := range got {
				got[i].Info = nil
			}
			if !slices.EqualFunc(got, c.want, equal) {
				t.Errorf("changes are %+v, want %+v", got, c.want)
			}
			if again := l.TakeChanges(); again != nil || l.Changed() {
				t.Errorf("told twice: %+v", again)
			}
		})
	}
}

func TestStatusString(t *testing.T) {
	for s, want := range map[lobby.Status]string{
		lobby.OK: "ok", lobby.LostConnection: "lost connection", lobby.Disconnected: "disconnected", 9: "status 9",
	} {
		if s.String() != want {
			t.Errorf("status %d is called %q, want %q", uint8(s), s, want)
		}
	}
}

// TestInfoIsCopied holds that what a player says cannot be changed from outside.
func TestInfoIsCopied(t *testing.T) {
	l := lobby.New(0, false)
	info := []byte("Ann")
	id, err := l.Join(info)
	if err != nil {
		t.Fatal(err)
	}
	info[0] = 'X'
	if p, _ := l.Player(id); string(p.Info) != "Ann" {
		t.Errorf("after Join the info is %q", p.Info)
	}
	info = []byte("Bob")
	l.SetInfo(id, info)
	info[0] = 'X'
	if p, _ := l.Player(id); string(p.Info) != "Bob" {
		t.Errorf("after SetInfo the info is %q", p.Info)
	}
	if l.SetInfo(id, make([]byte, lobby.MaxInfo+1)) {
		t.Error("an info that is too long was taken")
	}
}

// TestJoinACopy holds that ids are new also where players were put.
func TestJoinACopy(t *testing.T) {
	l := lobby.New(0, false)
	l.Put(lobby.Player{ID: 5, Status: lobby.OK})
	l.Put(lobby.Player{ID: 3, Status: lobby.OK})
	l.Leave(5)
	if id, err := l.Join(nil); err != nil || id != 6 {
		t.Errorf("Join gave %v, %v; want player 6", id, err)
	}
}

// TestPlayersWhileLeaving holds that players may leave while they are ranged over.
func TestPlayersWhileLeaving(t *testing.T) {
	l := lobby.New(0, false)
	join(t, l, 5)
	var seen []string
	for p := range l.Players() {
		seen = append(seen, p.ID.String())
		l.Leave(p.ID)
		l.Leave(p.ID + 1)
		if len(seen) == 4 {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "player 1 player 2 player 3 player 4" || l.Len() != 0 {
		t.Errorf("saw %s; %d are left", got, l.Len())
	}
}
