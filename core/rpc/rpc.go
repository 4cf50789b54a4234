package rpc

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/shape"
	"github.com/parley-net/parley/core/state"
)

// Why a call or an event that came in was not handled. What a stranger causes is
// counted by whoever dispatches, never a crash.
var (
	ErrUnknown   = errors.New("parley: unknown call or event")
	ErrUnhandled = errors.New("parley: nobody handles it here")
	ErrNoObject  = errors.New("parley: no such object")
	ErrNotOwner  = errors.New("parley: the object belongs to somebody else")
)

// PanicError is a panic of a handler, contained to its call.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("parley: handler panicked: %v", e.Value) }

// Caller says who made a call or sent an event, as the engine knows it from the
// connection and not from the message.
type Caller struct {
	Player state.PlayerID // state.Server for what the server sends
	// Tick is the server's tick: at which the server sent it, or on the server the
	// one at which it came in.
	Tick uint64
}

// MaxArgs is the longest encoding in bytes of the arguments of a Reliable call,
// and of an event's value.
const MaxArgs = core.MinReliableSize - 512

// MaxUnreliableArgs is the longest encoding in bytes of the arguments of an
// Unreliable call.
const MaxUnreliableArgs = core.MinUnreliableSize - 64

// call is what both kinds of calls are made of.
type call struct {
	name     string
	class    reflect.Type // of O
	args     reflect.Type
	server   bool // handled on the server
	anyone   bool
	delivery core.Delivery
}

func (c *call) describe() state.PartInfo {
	way := "to clients"
	if c.server {
		way = "to the server, from the owner"
		if c.anyone {
			way = "to the server, from anyone"
		}
	}
	info := state.PartInfo{Kind: "call", Name: c.name}
	if c.name == "" {
		info.Err = errors.New("parley: a call has no name")
	}
	class := c.class.String()
	if c.class.Kind() == reflect.Pointer {
		class = "*" + c.class.Elem().Name()
	}
	info.Lines = []string{fmt.Sprintf("on %s, %s, %s, with %s", class, way, c.delivery, shape.Of(c.args))}
	return info
}

// send encodes the arguments and hands the call to the world's messenger.
func (c *call) send(part state.Part, obj state.Entity, args any, to state.Audience, players []state.PlayerID) error {
	if v := reflect.ValueOf(obj); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("parley: call %s: the object is nil", c.name)
	}
	w := obj.World()
	if w == nil || !obj.IsAlive() {
		return fmt.Errorf("parley: call %s: %w", c.name, state.ErrNotSpawned)
	}
	number, ok := w.Schema().Number(part)
	if !ok {
		return fmt.Errorf("parley: call %s is not in the schema: add it to state.NewSchema", c.name)
	}
	if !c.server && !w.IsAuthority() {
		return &state.AuthorityError{Op: "call " + c.name, Object: fmt.Sprint(obj)}
	}
	if c.server && !c.anyone && !w.IsAuthority() && !obj.IsMine() {
		return fmt.Errorf("parley: call %s on %v: %w", c.name, obj, ErrNotOwner)
	}
	if w.Messenger() == nil {
		return fmt.Errorf("parley: call %s: the world is not connected: %w", c.name, core.ErrClosed)
	}
	b, err := w.Codec().Append(nil, args)
	if err != nil {
		return fmt.Errorf("parley: call %s: %w", c.name, err)
	}
	limit := MaxArgs
	if c.delivery == core.Unreliable {
		limit = MaxUnreliableArgs
	}
	if len(b) > limit {
		return fmt.Errorf("parley: call %s: %w", c.name, &core.TooLargeError{Size: len(b), Max: limit, Delivery: c.delivery})
	}
	err = w.Messenger().SendCall(state.Call{Number: number, Object: obj.ID(), Args: b, Delivery: c.delivery, To: to, Players: players})
	if err != nil {
		return fmt.Errorf("parley: call %s: %w", c.name, err)
	}
	return nil
}

// ServerCall is a call that clients make and the server handles.
type ServerCall[O state.Entity, A any] struct{ call }

// ToServer declares a call that clients make on objects of class O, their own
// ones, and the server handles. It belongs into the schema under a name that no
// other call has.
func ToServer[O state.Entity, A any](name string) *ServerCall[O, A] {
	return &ServerCall[O, A]{call{name: name, class: reflect.TypeFor[O](), args: reflect.TypeFor[A](), server: true, delivery: core.Reliable}}
}

// Over has the call travel with another delivery than Reliable, and returns it.
func (c *ServerCall[O, A]) Over(d core.Delivery) *ServerCall[O, A] { c.delivery = d; return c }

// ByAnyone lets every player call it, on objects of others and of the server too,
// and returns it. The handler finds the player in its Caller.
func (c *ServerCall[O, A]) ByAnyone() *ServerCall[O, A] { c.anyone = true; return c }

// Call asks the server to run the call on obj. On the server itself the handler
// runs at once, with state.Server as the caller. The error is one of ErrNotOwner,
// state.ErrNotSpawned, core.ErrTooLarge, core.ErrUnsupported, core.ErrBackpressure or
// core.ErrClosed; nil says that the call is on its way, not that it was handled.
func (c *ServerCall[O, A]) Call(obj O, args A) error {
	return c.send(c, obj, &args, state.ToServer, nil)
}

// Handle has fn run for each call, on the goroutine of the room's match. A later
// Handle takes the earlier one's place.
func (c *ServerCall[O, A]) Handle(h ServerHost, fn func(obj O, from Caller, args A)) {
	handle(h.ServerCalls(), c, &c.call, fn)
}

// Describe implements state.Part.
func (c *ServerCall[O, A]) Describe() state.PartInfo { return c.describe() }

func (c *ServerCall[O, A]) def() *call { return &c.call }

// ClientCall is a call that the server makes and clients handle.
type ClientCall[O state.Entity, A any] struct{ call }

// ToClients declares a call that the server makes on objects of class O and
// clients handle. It belongs into the schema under a name that no other call has.
func ToClients[O state.Entity, A any](name string) *ClientCall[O, A] {
	return &ClientCall[O, A]{call{name: name, class: reflect.TypeFor[O](), args: reflect.TypeFor[A](), delivery: core.Reliable}}
}

// Over has the call travel with another delivery than Reliable, and returns it.
func (c *ClientCall[O, A]) Over(d core.Delivery) *ClientCall[O, A] { c.delivery = d; return c }

// CallOwner runs the call at the object's owner. An object of the server's has
// none, which is an ErrNotOwner. A call never arrives before its object.
//
// The errors of CallOwner, CallAll and CallTo are those of ServerCall.Call; with
// several receivers, those that can take it get it, and the errors of the others
// come joined.
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
// Handle takes the earlier one's place.
func (c *ClientCall[O, A]) Handle(h ClientHost, fn func(obj O, from Caller, args A)) {
	handle(h.ClientCalls(), c, &c.call, fn)
}

// Describe implements state.Part.
func (c *ClientCall[O, A]) Describe() state.PartInfo { return c.describe() }

func (c *ClientCall[O, A]) def() *call { return &c.call }

// ServerHost is what handles ServerCalls: a *server.Room.
type ServerHost interface{ ServerCalls() *Table }

// ClientHost is what handles ClientCalls: a *client.Client.
type ClientHost interface{ ClientCalls() *Table }

// Table holds the handlers of one host's calls. The engine makes it and
// dispatches to it.
type Table struct {
	world    *state.World
	handlers map[int]handler
}

type handler func(obj state.Entity, from Caller, args []byte) error

// NewTable returns an empty table for the objects of w.
func NewTable(w *state.World) *Table {
	return &Table{world: w, handlers: make(map[int]handler)}
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
