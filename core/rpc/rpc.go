package rpc

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/shape"
	"github.com/parley-net/parley/core/state"
)

// Why a call or an event was not made, or was not handled. What a stranger causes is
// counted by whoever dispatches, never a crash.
var (
	// ErrUnknown: no call has this number, or it goes the other way.
	ErrUnknown = errors.New("parley: unknown call or event")
	// ErrUnhandled: nobody has said what to do with it here.
	ErrUnhandled = errors.New("parley: nobody handles it here")
	// ErrNoObject: the object went away, or never was.
	ErrNoObject = errors.New("parley: no such object")
	// ErrNotOwner: the caller may call this on objects of its own only; or a call to
	// the owner is on an object that no player owns.
	ErrNotOwner = errors.New("parley: the object belongs to somebody else")
)

// PanicError is a panic of a handler, contained to its call.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // of the goroutine, as debug.Stack has it
}

func (e *PanicError) Error() string { return fmt.Sprintf("parley: handler panicked: %v", e.Value) }

// Unwrap returns what the handler panicked with, if that is an error.
func (e *PanicError) Unwrap() error { err, _ := e.Value.(error); return err }

// Caller says who made a call or sent an event, as the engine knows it from the
// connection and not from the message.
type Caller struct {
	// Player is who it was; state.Server for what the server sends.
	Player state.PlayerID
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
	info := state.PartInfo{Kind: "call", Name: c.name, On: c.class, Types: []reflect.Type{c.args}}
	switch {
	case c.name == "":
		info.Err = errors.New("parley: a call has no name")
	case c.delivery != core.Unreliable && c.delivery != core.Reliable:
		info.Err = fmt.Errorf("parley: call %s: there is no %v", c.name, c.delivery)
	}
	way := "to clients"
	if c.server {
		way = "to the server, from the owner"
		if c.anyone {
			way = "to the server, from anyone"
		}
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
		return fmt.Errorf("parley: call %s: the object is nil: %w", c.name, state.ErrNotSpawned)
	}
	w := obj.World()
	if w == nil || !obj.IsAlive() {
		return fmt.Errorf("parley: call %s: %w", c.name, state.ErrNotSpawned)
	}
	number, ok := w.Schema().Number(part)
	if !ok {
		return fmt.Errorf("parley: call %s is not in the schema: add it to state.NewSchema", c.name)
	}
	switch {
	case !c.server && !w.IsAuthority():
		return &state.AuthorityError{Op: "call " + c.name, Object: fmt.Sprint(obj)}
	case c.server && !c.anyone && !w.IsAuthority() && !obj.IsMine():
		return fmt.Errorf("parley: call %s on %v (owner: %v): %w", c.name, obj, obj.Owner(), ErrNotOwner)
	case to == state.ToOwner && obj.Owner() == state.Server:
		return fmt.Errorf("parley: call %s on %v: no player owns it: %w", c.name, obj, ErrNotOwner)
	case w.Messenger() == nil:
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
