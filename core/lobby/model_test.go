package lobby_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/state"
)

func equal(a, b lobby.Player) bool {
	return a.ID == b.ID && a.Status == b.Status && a.Ready == b.Ready && bytes.Equal(a.Info, b.Info)
}

// model is what a lobby is, in the simplest form: every player who ever was.
type model struct {
	seats         int
	late, started bool
	locked        bool
	all           []lobby.Player // by ID-1; gone ones are Disconnected
	told          []lobby.Player // as of the last TakeChanges
}

func (m *model) here() (out []lobby.Player) {
	for _, p := range m.all {
		if p.Status != lobby.Disconnected {
			out = append(out, p)
		}
	}
	return out
}

func (m *model) get(id state.PlayerID) *lobby.Player {
	if id >= 1 && int(id) <= len(m.all) && m.all[id-1].Status != lobby.Disconnected {
		return &m.all[id-1]
	}
	return nil
}

// TestModel does at random whatever can be done, and compares with the model.
func TestModel(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			m := &model{seats: rnd.IntN(6), late: rnd.IntN(2) == 0}
			l := lobby.New(m.seats, m.late)
			follower := lobby.New(m.seats, true)
			for step := range 300 {
				what := m.step(t, rnd, l, follower)
				if m.compare(t, l); t.Failed() {
					t.Fatalf("after step %d: %s", step, what)
				}
			}
		})
	}
}

// step does one thing to the lobby and to the model, and says what.
func (m *model) step(t *testing.T, rnd *rand.Rand, l, follower *lobby.Lobby) string {
	id := state.PlayerID(rnd.IntN(len(m.all) + 2))
	p := m.get(id)
	info := []byte(fmt.Sprint(rnd.IntN(3)))
	did := func(what string, got, want bool) string {
		if got != want {
			t.Errorf("%s of %v returned %v, want %v", what, id, got, want)
		}
		return fmt.Sprintf("%s of %v", what, id)
	}
	is := func(s lobby.Status) bool { return p != nil && p.Status == s }
	switch op := rnd.IntN(14); op {
	case 0, 1, 2:
		may := !m.locked && (!m.started || m.late) && (m.seats == 0 || len(m.here()) < m.seats)
		got, err := l.Join(info)
		var refused *lobby.RefusedError
		if may != (err == nil) || err != nil && !errors.As(err, &refused) || may && got != state.PlayerID(len(m.all)+1) {
			t.Errorf("Join returned %v, %v", got, err)
		}
		if may {
			m.all = append(m.all, lobby.Player{ID: got, Status: lobby.OK, Info: info})
		}
		return "Join"
	case 3, 4:
		ready := rnd.IntN(2) == 0
		if p != nil {
			p.Ready = ready
		}
		return did("SetReady", l.SetReady(id, ready), p != nil)
	case 5:
		if p != nil {
			p.Info = info
		}
		return did("SetInfo", l.SetInfo(id, info), p != nil)
	case 6:
		ok := is(lobby.OK)
		if ok {
			p.Status = lobby.LostConnection
		}
		return did("Lose", l.Lose(id), ok)
	case 7:
		ok := is(lobby.LostConnection)
		if ok {
			p.Status = lobby.OK
		}
		return did("Regain", l.Regain(id), ok)
	case 8, 9:
		if p != nil {
			*p = lobby.Player{ID: id}
		}
		return did("Leave", l.Leave(id), p != nil)
	case 10:
		m.locked = !m.locked && rnd.IntN(2) == 0
		l.Lock(map[bool]string{true: "private"}[m.locked])
		return "Lock"
	case 11:
		m.started = true
		l.Start()
		return "Start"
	case 12:
		m.started = false
		for i := range m.all {
			m.all[i].Ready = false
		}
		l.Reopen()
		return "Reopen"
	}
	changes := l.TakeChanges()
	for _, c := range changes {
		follower.Put(c)
	}
	m.compareChanges(t, changes)
	m.told = slices.Clone(m.all)
	if got := slices.Collect(follower.Players()); !slices.EqualFunc(got, m.here(), equal) {
		t.Errorf("the copy has %+v, want %+v", got, m.here())
	}
	return "TakeChanges"
}

// compareChanges holds that everybody who differs from what was told is told, in
// order.
func (m *model) compareChanges(t *testing.T, changes []lobby.Player) {
	if !slices.IsSortedFunc(changes, func(a, b lobby.Player) int { return int(a.ID) - int(b.ID) }) {
		t.Errorf("changes are not in order: %+v", changes)
	}
	for i, p := range m.all {
		before := lobby.Player{ID: p.ID}
		if i < len(m.told) {
			before = m.told[i]
		}
		told := slices.ContainsFunc(changes, func(c lobby.Player) bool { return equal(c, p) })
		if !told && !equal(before, p) {
			t.Errorf("%+v became %+v and was not told", before, p)
		}
	}
	for _, c := range changes {
		if !equal(c, m.all[c.ID-1]) {
			t.Errorf("told %+v of %+v", c, m.all[c.ID-1])
		}
	}
}

// compare holds that every question is answered as by the model.
func (m *model) compare(t *testing.T, l *lobby.Lobby) {
	here := m.here()
	if got := slices.Collect(l.Players()); !slices.EqualFunc(got, here, equal) {
		t.Errorf("players are %+v, want %+v", got, here)
	}
	connected, ready := 0, 0
	for id := range state.PlayerID(len(m.all) + 2) {
		p, ok := l.Player(id)
		want := m.get(id)
		if ok != (want != nil) || ok && !equal(p, *want) || l.Status(id) != p.Status {
			t.Errorf("%v is %+v, %v; want %+v", id, p, ok, want)
		}
		if ok && p.Status == lobby.OK {
			if connected++; p.Ready {
				ready++
			}
		}
	}
	if l.Len() != len(here) || l.Connected() != connected || l.Seats() != m.seats || l.Started() != m.started {
		t.Errorf("%d of %d seats, %d connected, started %v; want %d of %d, %d, %v",
			l.Len(), l.Seats(), l.Connected(), l.Started(), len(here), m.seats, connected, m.started)
	}
	if m.seats > 0 && len(here) > m.seats {
		t.Errorf("%d players on %d seats", len(here), m.seats)
	}
	for n := range 4 {
		if got, want := lobby.AllReady(n)(l), ready == len(here) && ready >= n; got != want {
			t.Errorf("AllReady(%d) is %v, want %v", n, got, want)
		}
		if got, want := lobby.AtLeast(n)(l), connected >= n; got != want {
			t.Errorf("AtLeast(%d) is %v, want %v", n, got, want)
		}
	}
}
