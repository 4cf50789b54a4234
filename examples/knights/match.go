package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/parley-net/parley/core/lobby"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/server"
	"github.com/parley-net/parley/core/state"
)

// battle is one match, as the server plays it.
type battle struct {
	players int           // who must be ready before it begins
	length  time.Duration // at most
	rnd     *rand.Rand
	out     io.Writer // the battle log
}

var tribe = []string{"Ulf", "Gorm", "Hrod", "Sigga", "Torv", "Ygra", "Brand", "Skadi"}

func (b *battle) match(r *server.Room) error {
	w := r.World()
	// Among friends a name is enough: who comes back finds the knight that was left.
	r.OnClaim(func(p, seat *server.Player) bool { return nameOf(p) == nameOf(seat) })
	if r.Restored() == nil {
		fmt.Fprintf(b.out, "The lobby is open: the battle begins when %d knights are ready.\n", b.players)
	}
	if err := r.Lobby().Wait(lobby.AllReady(b.players)); err != nil {
		return err
	}
	if r.Restored() == nil {
		for _, name := range tribe {
			at := state.Vec2{X: 30 + 25*b.rnd.Float64(), Y: 28 * b.rnd.Float64()}
			state.Spawn(w, NewBarbarian(name, at, 10*(1+b.rnd.IntN(5))))
		}
	}
	r.OnJoin(func(p *server.Player) {
		at := state.Vec2{X: 5 * b.rnd.Float64(), Y: 28 * b.rnd.Float64()}
		k := state.SpawnFor(w, p.ID(), NewKnight(nameOf(p), at))
		b.news(r, "Sir %s rides onto the field.", k.Name)
	})
	r.OnReturn(func(p *server.Player) { b.news(r, "Sir %s is back.", nameOf(p)) })
	r.OnLeave(func(p *server.Player) {
		for k := range state.Owned[*Knight](w, p.ID()) {
			b.news(r, "Sir %s leaves the field.", k.Name)
		}
	})
	Attack.Handle(r, func(k *Knight, from rpc.Caller, s Strike) { b.fight(r, k, s) })
	rpc.On(r, "say", func(from rpc.Caller, text string) {
		if len(text) > 200 {
			return // nobody listens for so long
		}
		for k := range state.Owned[*Knight](w, from.Player) {
			b.news(r, "Sir %s: %s", k.Name, text)
		}
	})

	b.news(r, "The horns sound!")
	var played time.Duration // a battle that was restored has all the time again
	for dt := range r.Ticks() {
		played += dt
		b.roam(w)
		if end := b.verdict(w, played); end != "" {
			b.news(r, "%s", end)
			break
		}
	}
	return r.Emit("score", standings(w))
}

// nameOf returns what a player is called: by the number, if it says nothing.
func nameOf(p *server.Player) string {
	hello := Hello{Name: p.ID().String()}
	_ = p.Info(&hello)
	return hello.Name
}

// news tells everybody.
func (b *battle) news(r *server.Room, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(b.out, text)
	_ = r.Emit("news", text) // it is text, and short
}

// fight decides one strike.
func (b *battle) fight(r *server.Room, k *Knight, s Strike) {
	foe, ok := s.At.Get(r.World())
	odds, known := map[string]int{"thrust": 60, "slash": 50, "charge": 40}[s.Style]
	if !ok || !known || distance(&k.Pos, &foe.Pos) > reach+1 { // the field moves on while a call travels
		return
	}
	rep := Report{Knight: k.Name, Barbarian: foe.Name, Style: s.Style}
	damage := map[string]int{"thrust": 10, "slash": 15, "charge": 25}[s.Style]
	if rep.Hit = b.rnd.IntN(100) < odds; rep.Hit {
		foe.Health.Set(max(0, foe.Health.Get()-damage))
		if foe.Health.Get() == 0 {
			rep.Fallen, rep.Gold = true, foe.Purse.Get()
			k.Gold.Set(k.Gold.Get() + rep.Gold)
			foe.Despawn()
		}
	} else {
		rep.Lost = 5 + b.rnd.IntN(10)
		k.Health.Set(max(0, k.Health.Get()-rep.Lost))
		_ = Wounded.CallOwner(k, Wound{By: foe.Name, Lost: rep.Lost, Left: k.Health.Get()}) // who is gone feels nothing
	}
	fmt.Fprintln(b.out, rep)
	_ = r.Emit("battle", rep)
	_ = r.Record("battle", k.Owner(), rep) // text and numbers: any store takes them
	r.Snapshot()                           // a blow that fell has fallen, also after a crash
	if k.Health.Get() == 0 {
		b.news(r, "Sir %s falls with %d gold in his purse.", k.Name, k.Gold.Get())
		k.Despawn()
	}
}

func (r Report) String() string {
	switch {
	case r.Fallen:
		return fmt.Sprintf("Sir %s fells %s with a %s and takes %d gold.", r.Knight, r.Barbarian, r.Style, r.Gold)
	case r.Hit:
		return fmt.Sprintf("Sir %s lands a %s on %s.", r.Knight, r.Style, r.Barbarian)
	}
	return fmt.Sprintf("Sir %s misses %s with a %s and loses %d health.", r.Knight, r.Barbarian, r.Style, r.Lost)
}

// roam has barbarians change their minds now and then.
func (b *battle) roam(w *state.World) {
	for foe := range state.All[*Barbarian](w) {
		if b.rnd.IntN(60) == 0 {
			foe.Pos.SetVelocity(8*b.rnd.Float64()-4, 8*b.rnd.Float64()-4)
		}
	}
}

// verdict says how the battle ended, "" while it goes on.
func (b *battle) verdict(w *state.World, played time.Duration) string {
	knights, foes := 0, 0
	for range state.All[*Knight](w) {
		knights++
	}
	for range state.All[*Barbarian](w) {
		foes++
	}
	switch {
	case foes == 0:
		return "The last barbarian has fallen: the field is won!"
	case knights == 0:
		return "No knight is left standing: the field is lost."
	case played >= b.length:
		return fmt.Sprintf("Night falls over the field; %d barbarians slip away.", foes)
	}
	return ""
}

// Standing is a line of the final scoreboard.
type Standing struct {
	Name         string
	Gold, Health int
}

// standings returns the knights who still stand, the richest first.
func standings(w *state.World) []Standing {
	var all []Standing
	for k := range state.All[*Knight](w) {
		all = append(all, Standing{k.Name, k.Gold.Get(), k.Health.Get()})
	}
	slices.SortStableFunc(all, func(a, b Standing) int { return b.Gold - a.Gold })
	return all
}

func printStandings(out io.Writer, all []Standing) {
	fmt.Fprintf(out, "\n  %-12s %6s %8s\n", "knight", "gold", "health")
	for _, s := range all {
		fmt.Fprintf(out, "  %-12s %6d %8d\n", s.Name, s.Gold, s.Health)
	}
	if len(all) == 0 {
		fmt.Fprintln(out, "  nobody came home")
	}
}
