package rpc_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/rpc"
)

// host is what has events and nothing else.
type host struct{ events *rpc.Events }

func newHost() host                { return host{rpc.NewEvents(codec.Msgp{})} }
func (h host) Events() *rpc.Events { return h.events }
func (h host) emit(n string, v any) error { // as an engine does, to itself
	b, err := h.events.Append(nil, n, v)
	if err != nil {
		return err
	}
	return h.events.Dispatch(n, rpc.Caller{Player: 4, Tick: 9}, b)
}

func TestEvents(t *testing.T) {
	h := newHost()
	var got []any
	rpc.On(h, "chat", func(from rpc.Caller, text string) { got = append(got, from, text) })
	rpc.On(h, "order", func(_ rpc.Caller, o Order) { got = append(got, o) })
	rpc.On(h, "free", func(_ rpc.Caller, m map[string]any) { got = append(got, m) })
	rpc.On(h, "any", func(_ rpc.Caller, v any) { got = append(got, v) })
	rpc.On(h, "", func(_ rpc.Caller, v bool) { got = append(got, v) })
	free := map[string]any{"who": "Ann", "gold": int64(3), "odds": 0.5, "tags": []any{"a", nil, true}}
	for _, e := range []struct {
		name  string
		value any
	}{
		{"chat", "hello"}, {"order", Order{2, []string{"pick"}}}, {"order", &Order{3, nil}}, {"free", free}, {"any", []string{"x"}}, {"", true},
	} {
		if err := h.emit(e.name, e.value); err != nil {
			t.Errorf("event %q: %v", e.name, err)
		}
	}
	want := []any{rpc.Caller{Player: 4, Tick: 9}, "hello", Order{2, []string{"pick"}}, Order{3, nil}, free, []any{"x"}, true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("handlers got\n%#v, want\n%#v", got, want)
	}
}

func TestEventErrors(t *testing.T) {
	h := newHost()
	rpc.On(h, "chat", func(_ rpc.Caller, text string) {
		if text == "fire" {
			panic("everybody runs")
		}
	})
	for _, c := range []struct {
		name  string
		event string
		bytes []byte
		want  error
	}{
		{"nobody handles it", "song", encode(t, "la"), rpc.ErrUnhandled},
		{"another case", "Chat", encode(t, "la"), rpc.ErrUnhandled},
		{"no value", "chat", nil, core.ErrMalformed},
		{"another type", "chat", encode(t, 7), core.ErrMalformed},
		{"bytes left over", "chat", append(encode(t, "la"), 0xc0), core.ErrMalformed},
	} {
		if err := h.events.Dispatch(c.event, rpc.Caller{}, c.bytes); !errors.Is(err, c.want) {
			t.Errorf("%s: Dispatch returned %v, want %v", c.name, err, c.want)
		}
	}
	var p *rpc.PanicError
	if err := h.emit("chat", "fire"); !errors.As(err, &p) || p.Value != "everybody runs" {
		t.Errorf("a handler that panics: %v", err)
	}
	if err := h.emit("chat", "water"); err != nil {
		t.Errorf("after a panic: %v", err)
	}
}

// TestEventAppend holds what may go out, and that nothing is left of what may not.
func TestEventAppend(t *testing.T) {
	h := newHost()
	long := make([]byte, rpc.MaxArgs)
	overhead := len(encode(t, long)) - len(long)
	for _, c := range []struct {
		name  string
		event string
		value any
		want  error
	}{
		{"the longest name", strings.Repeat("n", rpc.MaxName), 1, nil},
		{"a name too long", strings.Repeat("n", rpc.MaxName+1), 1, core.ErrTooLarge},
		{"the longest value", "e", long[overhead:], nil},
		{"a value too long", "e", long[overhead-1:], core.ErrTooLarge},
		{"nil", "e", nil, nil},
		{"a value that cannot travel", "e", math.Sqrt, core.ErrUnsupported},
		{"one inside", "e", map[string]any{"f": make(chan int)}, core.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := append(make([]byte, 0, 64), "frame"...)
			b, err := h.events.Append(dst, c.event, c.value)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("Append returned %v, want %v", err, c.want)
			}
			if !bytes.HasPrefix(b, dst) || (err != nil) != (len(b) == len(dst)) {
				t.Errorf("Append returned %d bytes behind %q", len(b), b[:min(len(b), 10)])
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestEventReplaced(t *testing.T) {
	h := newHost()
	rpc.On(h, "e", func(rpc.Caller, string) { t.Error("the first handler ran") })
	ran := false
	rpc.On(h, "e", func(_ rpc.Caller, n int) { ran = n == 5 })
	if err := h.emit("e", 5); err != nil || !ran {
		t.Errorf("the second handler: %v, ran %v", err, ran)
	}
}
