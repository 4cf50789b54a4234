package rpc

import (
	"reflect"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/state"
)

// ServerCall is a call that clients make and the server handles.
type ServerCall[O state.Entity, A any] struct{ call }

// ToServer declares a call that clients make on objects of class O, their own
// ones, and the server handles. It belongs into the schema under a name that no
// other call has. O may also be an interface that several classes implement.
func ToServer[O state.Entity, A any](name string) *ServerCall[O, A] {
	return &ServerCall[O, A]{call{name: name, class: reflect.TypeFor[O](), args: reflect.TypeFor[A](), server: true, delivery: core.Reliable}}
}

// Over has the call travel with another delivery than Reliable, and returns it. It
// is part of the declaration: the schema notes it.
func (c *ServerCall[O, A]) Over(d core.Delivery) *ServerCall[O, A] { c.delivery = d; return c }

// ByAnyone lets every player call it, on objects of others and of the server too,
// and returns it. The handler finds the player in its Caller. It is part of the
// declaration, as Over is.
func (c *ServerCall[O, A]) ByAnyone() *ServerCall[O, A] { c.anyone = true; return c }

// Call asks the server to run the call on obj. The error is one of ErrNotOwner,
// state.ErrNotSpawned, core.ErrTooLarge, core.ErrUnsupported, core.ErrBackpressure or
// core.ErrClosed; nil says that the call is on its way, not that it was handled. An
// Unreliable call may be lost.
//
// On the server itself the handler runs at once, with state.Server as the caller, and
// nil says that it has run; the error may then also be ErrUnhandled or the *PanicError
// of the handler.
func (c *ServerCall[O, A]) Call(obj O, args A) error {
	return c.send(c, obj, &args, state.ToServer, nil)
}

// Handle has fn run for each call, on the goroutine of the room's match. A later
// Handle takes the earlier one's place. It panics if the call is not in the schema.
func (c *ServerCall[O, A]) Handle(h ServerHost, fn func(obj O, from Caller, args A)) {
	handle(h.ServerCalls(), c, &c.call, fn)
}

// Describe implements state.Part.
func (c *ServerCall[O, A]) Describe() state.PartInfo { return c.describe() }

func (c *ServerCall[O, A]) def() *call { return &c.call }

// ClientCall is a call that the server makes and clients handle.
type ClientCall[O state.Entity, A any] struct{ call }

// ToClients declares a call that the server makes on objects of class O and
// clients handle. It belongs into the schema under a name that no other call has. O
// may also be an interface that several classes implement.
func ToClients[O state.Entity, A any](name string) *ClientCall[O, A] {
	return &ClientCall[O, A]{call{name: name, class: reflect.TypeFor[O](), args: reflect.TypeFor[A](), delivery: core.Reliable}}
}

// Over has the call travel with another delivery than Reliable, and returns it. It
// is part of the declaration: the schema notes it.
func (c *ClientCall[O, A]) Over(d core.Delivery) *ClientCall[O, A] { c.delivery = d; return c }

// CallOwner runs the call at the object's owner. An object of the server's has
// none, which is an ErrNotOwner. A Reliable call never arrives before its object; an
// Unreliable one that does is dropped.
//
// The errors of CallOwner, CallAll and CallTo are those of ServerCall.Call, and on a
// client a *state.AuthorityError. With several receivers, those that can take the call
// get it, and the errors of the others come joined.
func (c *ClientCall[O, A]) CallOwner(obj O, args A) error {
	return c.send(c, obj, &args, state.ToOwner, nil)
}

// CallAll runs the call at every player's client. See CallOwner.
func (c *ClientCall[O, A]) CallAll(obj O, args A) error {
	return c.send(c, obj, &args, state.ToAll, nil)
}

// CallTo runs the call at the given players' clients. Players who are not here
// are passed over. See CallOwner.
func (c *ClientCall[O, A]) CallTo(obj O, args A, players ...state.PlayerID) error {
	return c.send(c, obj, &args, state.ToPlayers, players)
}

// Handle has fn run for each call, inside the client's Update or Frames. A later
// Handle takes the earlier one's place. It panics if the call is not in the schema.
func (c *ClientCall[O, A]) Handle(h ClientHost, fn func(obj O, from Caller, args A)) {
	handle(h.ClientCalls(), c, &c.call, fn)
}

// Describe implements state.Part.
func (c *ClientCall[O, A]) Describe() state.PartInfo { return c.describe() }

func (c *ClientCall[O, A]) def() *call { return &c.call }
