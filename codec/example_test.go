package codec_test

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

func Example() {
	type Move struct {
		Tick uint32
		Pos  [2]float32
		Keys []string
	}
	var c codec.Msgp
	b, err := c.Append(nil, &Move{Tick: 7, Pos: [2]float32{1, 2}, Keys: []string{"left"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	var m Move
	rest, err := c.Decode(b, &m)
	fmt.Printf("%d bytes: %v, rest %d, %v\n", len(b), m, len(rest), err)
	// Output: 19 bytes: {7 [1 2] [left]}, rest 0, <nil>
}

// An any carries what it holds, but not its Go type.
func ExampleMsgp_Decode_any() {
	var c codec.Msgp
	b, _ := c.Append(nil, map[string]any{"name": "bob", "hp": 100, "pos": [2]float32{1, 2}, "cooldown": time.Second})
	var v map[string]any
	_, _ = c.Decode(b, &v)
	fmt.Printf("%T %T %T %T\n", v["name"], v["hp"], v["pos"], v["cooldown"])
	// Output: string int64 []interface {} int64
}

// Errors name the type and the place.
func ExampleMsgp_Decode_malformed() {
	type Player struct {
		Name string
		Bag  []int8
	}
	b := []byte{0x92, 0xa3, 'b', 'o', 'b', 0x92, 1, 0xcd, 0x01, 0x2c}
	_, err := codec.Msgp{}.Decode(b, new(Player))
	fmt.Println(err)
	fmt.Println(errors.Is(err, core.ErrMalformed))
	// Output:
	// codec: codec_test.Player.Bag[1]: want int8, found an integer that does not fit, or is cut short
	// true
}

// Supports finds mistakes when a program starts.
func ExampleMsgp_Supports() {
	type Event struct {
		Kind string
		Done chan bool
	}
	fmt.Println(codec.Msgp{}.Supports(reflect.TypeFor[Event]()))
	// Output: codec: codec_test.Event.Done: a chan cannot travel: tag the field `parley:"-"` to leave it behind, or use another type
}
