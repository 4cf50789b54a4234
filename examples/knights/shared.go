package main

import (
	"math"

	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// This file is what server and clients share: the objects and the calls.

// Field is where the battle takes place, in paces.
var Field = state.Rect{Max: state.Vec2{X: 60, Y: 30}}

const (
	maxHealth = 100
	reach     = 3.0 // paces between knight and barbarian at which a sword lands
)

// Knight is a player's hero.
type Knight struct {
	state.Object
	Name   string
	Weapon string
	Pos    state.Position2D
	Health state.Var[int]
	Gold   state.Var[int]
}

// NewKnight returns a knight who stands at a place.
func NewKnight(name string, at state.Vec2) *Knight {
	return &Knight{
		Name:   name,
		Weapon: "sword",
		Health: state.NewVar(maxHealth),
		Pos: state.NewPosition2D(state.Position2DConfig{
			At: at, Size: state.Vec2{X: 1, Y: 1}, Bounds: Field, MaxSpeed: 12, Solid: true,
		}),
	}
}

// Barbarian is the server's: it roams the field with a purse.
type Barbarian struct {
	state.Object
	Name   string
	Pos    state.Position2D
	Health state.Var[int]
	Purse  state.Var[int]
}

// NewBarbarian returns a barbarian who stands at a place.
func NewBarbarian(name string, at state.Vec2, purse int) *Barbarian {
	return &Barbarian{
		Name:   name,
		Health: state.NewVar(40),
		Purse:  state.NewVar(purse),
		Pos: state.NewPosition2D(state.Position2DConfig{
			At: at, Size: state.Vec2{X: 1, Y: 1}, Bounds: Field, Solid: true, ServerControlled: true,
		}),
	}
}

// Strike is how a knight attacks.
type Strike struct {
	At    state.Ref[*Barbarian]
	Style string // "thrust", "slash" or "charge"
}

// Wound tells a knight what a fight cost.
type Wound struct {
	By         string
	Lost, Left int // health: a call is faster than the variable's next update
}

// Report is the event "battle": one fight, as everybody hears of it.
type Report struct {
	Knight, Barbarian, Style string
	Hit, Fallen              bool // the barbarian
	Gold, Lost               int  // of the knight
}

// Hello is what a player says about itself in the lobby.
type Hello struct{ Name string }

var (
	Attack  = rpc.ToServer[*Knight, Strike]("attack")
	Wounded = rpc.ToClients[*Knight, Wound]("wounded")

	Schema = state.NewSchema(state.Class[Knight](), state.Class[Barbarian](), Attack, Wounded)
)

// distance returns the paces between two positions.
func distance(a, b *state.Position2D) float64 {
	return math.Hypot(a.X()-b.X(), a.Y()-b.Y())
}

// nearest returns the barbarian closest to a knight, nil if all have fallen.
func nearest(w *state.World, k *Knight) *Barbarian {
	var best *Barbarian
	for b := range state.All[*Barbarian](w) {
		if best == nil || distance(&k.Pos, &b.Pos) < distance(&k.Pos, &best.Pos) {
			best = b
		}
	}
	return best
}
