package rpc

import (
	"fmt"
	"reflect"
	"runtime/debug"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/state"
)

// ServerHost is what handles ServerCalls: a *server.Room, or a Table in a test
// without a network.
type ServerHost interface{ ServerCalls() *Table }

// ClientHost is what handles ClientCalls: a *client.Client.
type ClientHost interface{ ClientCalls() *Table }

// Table holds the handlers of one host's calls. The engine makes it and
// dispatches to it. It belongs to the goroutine of its world.
//
// A test of game logic can do without the engine: a Table is the ServerHost of its
// world, and the Messenger of a world that has no players.
//
//	w, err := state.NewWorld(Schema, codec.Msgp{})
//	calls := rpc.NewTable(w)
//	w.SetMessenger(calls)
//	KickBall.Handle(calls, kick)
//	KickBall.Call(player, Kick{Power: 3}) // kick runs
type Table struct {
	world    *state.World
	handlers map[int]handler
}

type handler func(obj state.Entity, from Caller, args []byte) error

// NewTable returns an empty table for the objects of w.
func NewTable(w *state.World) *Table {
	return &Table{world: w, handlers: make(map[int]handler)}
}

// ServerCalls returns the table itself.
func (t *Table) ServerCalls() *Table { return t }

// SendCall implements state.Messenger for a server: a call to the server is
// dispatched at once, and one to clients has nobody to go to.
func (t *Table) SendCall(c state.Call) error {
	if c.To != state.ToServer {
		return nil
	}
	return t.Dispatch(c.Number, c.Object, Caller{Player: state.Server, Tick: t.world.Tick()}, c.Args)
}

func handle[O state.Entity, A any](t *Table, part state.Part, c *call, fn func(O, Caller, A)) {
	number, ok := t.world.Schema().Number(part)
	if !ok {
		panic(fmt.Sprintf("parley: call %s is not in the schema: add it to state.NewSchema", c.name))
	}
	t.handlers[number] = func(e state.Entity, from Caller, b []byte) error {
		obj, ok := e.(O)
		if !ok {
			return core.Errorf(core.ErrMalformed, "parley: call %s on a %s", c.name, e.Class())
		}
		var args A
		if err := decode(t.world.Codec(), b, &args); err != nil {
			return fmt.Errorf("parley: arguments of call %s: %w", c.name, err)
		}
		return contain(func() { fn(obj, from, args) })
	}
}

// Dispatch runs the handler of an incoming call. from.Player must come from the
// connection. On the server it checks that the player may call this on this
// object. The error is ErrUnknown, ErrUnhandled, ErrNoObject, ErrNotOwner, a
// core.ErrMalformed or a *PanicError.
func (t *Table) Dispatch(number int, object state.ObjectID, from Caller, args []byte) error {
	part, ok := t.world.Schema().Part(number).(interface{ def() *call })
	if !ok || part.def().server != t.world.IsAuthority() {
		return ErrUnknown
	}
	c := part.def()
	obj := t.world.Object(object)
	if obj == nil {
		return fmt.Errorf("parley: call %s on object %d: %w", c.name, object, ErrNoObject)
	}
	if c.server && !c.anyone && from.Player != state.Server && obj.Owner() != from.Player {
		return fmt.Errorf("parley: call %s on %v by %v: %w", c.name, obj, from.Player, ErrNotOwner)
	}
	h := t.handlers[number]
	if h == nil {
		return fmt.Errorf("parley: call %s: %w", c.name, ErrUnhandled)
	}
	return h(obj, from, args)
}

// supports asks a codec that can tell whether values of a type can travel.
func supports(codec core.Codec, t reflect.Type) error {
	if s, ok := codec.(interface{ Supports(reflect.Type) error }); ok {
		return s.Supports(t)
	}
	return nil
}

func decode(codec core.Codec, b []byte, v any) error {
	rest, err := codec.Decode(b, v)
	if err == nil && len(rest) > 0 {
		err = core.Errorf(core.ErrMalformed, "parley: %d bytes left over", len(rest))
	}
	return err
}

// contain runs a handler and turns its panic into an error.
func contain(fn func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	fn()
	return nil
}
