package codec_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

type pointerLoop *pointerLoop

type loopA *loopB
type loopB *loopA

type recursive struct {
	M map[string]*recursive
	L []recursive
}

type recursiveBad struct {
	L []recursiveBad
	C chan int
}

type embedsPointer struct{ *base }

func TestSupports(t *testing.T) {
	for _, v := range append([]any{recursive{}, selves{}, struct{}{}, struct{ _ int }{}, struct {
		c chan int
		N int
	}{}, struct {
		C chan int `msg:"-"`
	}{}, map[color]any{}, uintptr(1)}, hostileTargets...) {
		if err := (codec.Msgp{}).Supports(reflect.TypeOf(v)); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	for _, x := range []struct {
		v    any
		want string
	}{
		{make(chan int), "codec: chan int: a chan cannot travel"},
		{func() {}, "a func cannot travel"},
		{complex(1, 1), "a complex128 cannot travel"},
		{unsafe.Pointer(nil), "a unsafe.Pointer cannot travel"},
		{struct{ A []map[string]chan int }{}, ".A[][]: a chan cannot travel: tag the field `parley:\"-\"`"},
		{map[float64]int{}, "a map with keys of type float64 cannot travel: use keys that are strings or integers"},
		{map[bool]int{}, "keys of type bool"},
		{map[inner]int{}, "keys of type codec_test.inner"},
		{map[any]int{}, "keys of type interface {}"},
		{map[string]fmt.Stringer{}, "[]: fmt.Stringer is an interface with methods"},
		{netip.Addr{}, "no field of netip.Addr is exported"},
		{pointerLoop(nil), "a pointer type that points to itself"},
		{loopA(nil), "a pointer type that points to itself"},
		{recursiveBad{}, ".C: a chan cannot travel"},
		{embedsPointer{}, ".base: a nil pointer to an embedded struct that is not exported"},
	} {
		for range 2 { // the second time from the cache
			err := codec.Msgp{}.Supports(reflect.TypeOf(x.v))
			if !errors.Is(err, core.ErrUnsupported) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%T: got %v, want %s", x.v, err, x.want)
			}
		}
		if out, err := (codec.Msgp{}).Append([]byte("keep"), x.v); !errors.Is(err, core.ErrUnsupported) || string(out) != "keep" {
			t.Errorf("%T: Append %q, %v", x.v, out, err)
		}
		if _, err := (codec.Msgp{}).Decode([]byte{0xc0}, reflect.New(reflect.TypeOf(x.v)).Interface()); !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("%T: Decode %v", x.v, err)
		}
		if out, err := (codec.Msgp{}).Append([]byte("keep"), []any{1, x.v}); !errors.Is(err, core.ErrUnsupported) || string(out) != "keep" {
			t.Errorf("%T in a list: Append %q, %v", x.v, out, err)
		}
	}
	if err := (codec.Msgp{}).Supports(nil); !errors.Is(err, core.ErrUnsupported) {
		t.Errorf("nil: %v", err)
	}
	for _, v := range []any{nil, 1, (*int)(nil), "x"} {
		if _, err := (codec.Msgp{}).Decode([]byte{1}, v); !errors.Is(err, core.ErrUnsupported) {
			t.Errorf("Decode into %T: %v", v, err)
		}
	}
}
