package rpc

import (
	"fmt"
	"reflect"

	"github.com/parley-net/parley/core"
)

// MaxName is the longest name of an event in bytes.
const MaxName = 128

// Host is what events come to: a *server.Room or a *client.Client. They send
// them with their method Emit.
type Host interface{ Events() *Events }

// Events holds the handlers of one host's events: named values that no schema
// lists (thesis §5.2.6). The engine makes it and dispatches to it. It belongs to one
// goroutine.
type Events struct {
	codec    core.Codec
	handlers map[string]func(from Caller, b []byte) error
}

// NewEvents returns an empty table for events encoded by c.
func NewEvents(c core.Codec) *Events {
	return &Events{codec: c, handlers: make(map[string]func(Caller, []byte) error)}
}

// On has fn run for each event of a name that comes to h, where handlers of calls
// run too. T is the type that the sender emits, map[string]any for a map of
// whatever comes, or any for whatever comes. A later On takes the earlier one's place. It panics if the codec
// cannot carry a T.
//
//	rpc.On(room, "chat", func(from rpc.Caller, text string) { … })
func On[T any](h Host, name string, fn func(from Caller, v T)) {
	e := h.Events()
	if err := supports(e.codec, reflect.TypeFor[T]()); err != nil {
		panic(fmt.Sprintf("parley: event %q: %v", name, err))
	}
	e.handlers[name] = func(from Caller, b []byte) error {
		var v T
		if err := decode(e.codec, b, &v); err != nil {
			return fmt.Errorf("parley: event %q: %w", name, err)
		}
		return contain(func() { fn(from, v) })
	}
}

// Dispatch runs the handler of an incoming event. The error is ErrUnhandled, a
// core.ErrMalformed or a *PanicError.
func (e *Events) Dispatch(name string, from Caller, b []byte) error {
	h := e.handlers[name]
	if h == nil {
		return fmt.Errorf("parley: event %q: %w", name, ErrUnhandled)
	}
	return h(from, b)
}

// Append checks an event on its way out and appends its encoded value to dst. The
// error is a core.ErrTooLarge or core.ErrUnsupported, and dst is then returned
// unchanged.
func (e *Events) Append(dst []byte, name string, v any) ([]byte, error) {
	if len(name) > MaxName {
		return dst, fmt.Errorf("parley: event %.20q…: a name has at most %d bytes: %w", name, MaxName, core.ErrTooLarge)
	}
	b, err := e.codec.Append(dst, v)
	if err != nil {
		return dst, fmt.Errorf("parley: event %q: %w", name, err)
	}
	if n := len(b) - len(dst); n > MaxArgs {
		return dst, fmt.Errorf("parley: event %q: %w", name, &core.TooLargeError{Size: n, Max: MaxArgs, Delivery: core.Reliable})
	}
	return b, nil
}
