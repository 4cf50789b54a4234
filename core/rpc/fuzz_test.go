package rpc_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
	"github.com/parley-net/parley/core/state"
)

// FuzzDispatch has a stranger call whatever it likes, with any bytes. A handler must
// run only for who may call it, and every error must be one of those that the engine
// knows how to count.
func FuzzDispatch(f *testing.F) {
	m := newMatch(f)
	var caller state.PlayerID
	var ran bool
	var breach string
	owns := func(obj state.Entity, from rpc.Caller) {
		ran = true
		if from.Player != caller || obj.Owner() != caller && caller != state.Server {
			breach = fmt.Sprintf("%v called %v of %v as %v", caller, obj, obj.Owner(), from.Player)
		}
	}
	Dig.Handle(m.server, func(o *Miner, from rpc.Caller, _ Order) { owns(o, from) })
	Aim.Handle(m.server, func(o *Miner, from rpc.Caller, _ float64) { owns(o, from) })
	Watch.Handle(m.server, func(*Miner, rpc.Caller, string) { ran = true })
	Weigh.Handle(m.server, func(Thing, rpc.Caller, int) { ran = true; panic("too heavy") })
	Cheer.Handle(m.server, func(*Miner, rpc.Caller, string) { breach = "a call to clients ran on the server" })
	rpc.On(m.server, "chat", func(rpc.Caller, string) {})
	rpc.On(m.server, "free", func(rpc.Caller, map[string]any) {})

	for n := range 8 {
		for object := range uint32(5) {
			f.Add(n, object, uint32(m.me), "chat", encode(f, Order{Depth: 1, Tools: []string{"pick"}}))
		}
	}
	f.Add(number(f, Watch), uint32(2), uint32(8), "free", encode(f, "closely"))
	f.Add(number(f, Aim), uint32(1), uint32(7), "free", encode(f, 0.25))
	f.Add(number(f, Weigh), uint32(3), uint32(9), "free", encode(f, map[string]any{"a": []any{1, "b"}}))
	f.Add(-1, ^uint32(0), uint32(0), "", []byte{0xdf, 0xff, 0xff, 0xff, 0xff})

	f.Fuzz(func(t *testing.T, number int, object, player uint32, event string, args []byte) {
		caller, ran, breach = state.PlayerID(player), false, ""
		from := rpc.Caller{Player: caller}
		err := m.server.calls.Dispatch(number, state.ObjectID(object), from, args)
		var p *rpc.PanicError
		switch {
		case breach != "":
			t.Error(breach)
		case err == nil, errors.As(err, &p):
			if !ran {
				t.Errorf("Dispatch returned %v and nothing ran", err)
			}
		case ran:
			t.Errorf("a handler ran, and Dispatch returned %v", err)
		case !known(err, rpc.ErrUnknown, rpc.ErrNoObject, rpc.ErrNotOwner, rpc.ErrUnhandled, core.ErrMalformed):
			t.Errorf("Dispatch returned %v", err)
		}
		if err := m.server.events.Dispatch(event, from, args); err != nil && !known(err, rpc.ErrUnhandled, core.ErrMalformed) {
			t.Errorf("Events.Dispatch returned %v", err)
		}
	})
}

func known(err error, among ...error) bool {
	for _, a := range among {
		if errors.Is(err, a) {
			return true
		}
	}
	return false
}
