package state

import "github.com/parley-net/parley/core"

// Messenger carries calls on a world's objects to the other side. The engine
// sets it; package rpc uses it.
type Messenger interface{ SendCall(Call) error }

// Audience says whom a call is for.
type Audience uint8

// Audiences of a call.
const (
	ToServer Audience = iota
	ToOwner
	ToAll
	ToPlayers
)

// Call is one call on its way out.
type Call struct {
	Number   int // of the call in the Schema
	Object   ObjectID
	Args     []byte // encoded; not kept
	Delivery core.Delivery
	To       Audience
	Players  []PlayerID // of ToPlayers
}

// SetMessenger sets what carries calls on this world's objects.
func (w *World) SetMessenger(m Messenger) { w.messenger = m }

// Messenger returns what carries calls on this world's objects, nil if the world
// is not connected to anything.
func (w *World) Messenger() Messenger { return w.messenger }
