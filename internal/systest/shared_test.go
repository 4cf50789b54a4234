package systest

import (
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// What the servers and the clients of the tests share.

// Hero is a player's object.
type Hero struct {
	state.Object
	Name  string
	Story string // long ones do not fit a packet
	Pos   state.Position2D
	Score state.Var[int]
	Luck  state.Var[float64] `parley:"quantum=0.01"`
	Bag   state.Var[string]
	Load  state.Var[state.Ref[*Crate]]
}

func newHero(name string) *Hero {
	return &Hero{Name: name, Score: state.NewVar(100), Pos: state.NewPosition2D(state.Position2DConfig{
		At: state.Vec2{X: 50, Y: 50}, Bounds: state.Rect{Max: state.Vec2{X: 1000, Y: 1000}}, MaxSpeed: 20,
	})}
}

// Crate is the server's.
type Crate struct {
	state.Object
	Kind  string
	Pos   state.Position2D
	Count state.Var[int]
}

func newCrate(kind string) *Crate {
	return &Crate{Kind: kind, Pos: state.NewPosition2D(state.Position2DConfig{ServerControlled: true})}
}

// Note is the argument of a call.
type Note struct {
	N    int
	Text string
}

// Card is what players say about themselves.
type Card struct{ Name, Motto string }

var (
	Poke  = rpc.ToServer[*Hero, Note]("poke")
	Wave  = rpc.ToServer[*Hero, int]("wave").Over(core.Unreliable)
	Touch = rpc.ToServer[*Crate, int]("touch").ByAnyone()
	Tell  = rpc.ToClients[*Hero, Note]("tell")
	Hint  = rpc.ToClients[*Hero, int]("hint").Over(core.Unreliable)
	Mark  = rpc.ToClients[*Crate, int]("mark")
	Purr  = rpc.ToClients[*Hero, string]("purr").Over(core.Unreliable)

	schema = state.NewSchema(state.Class[Hero](), state.Class[Crate](), Poke, Wave, Touch, Tell, Hint, Mark, Purr)
)

// heroOf returns a player's hero in w, nil while there is none.
func heroOf(w *state.World, p state.PlayerID) *Hero {
	for h := range state.Owned[*Hero](w, p) {
		return h
	}
	return nil
}

// count returns how many objects of a class w has.
func count[O state.Entity](w *state.World) int {
	n := 0
	for range state.All[O](w) {
		n++
	}
	return n
}

// only returns the one object of a class in w, its zero value if there is none or
// several.
func only[O state.Entity](w *state.World) (one O) {
	if count[O](w) == 1 {
		for o := range state.All[O](w) {
			return o
		}
	}
	return one
}
