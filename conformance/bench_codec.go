package conformance

import (
	"reflect"
	"testing"
	"time"
)

// BenchCodec measures a codec with the same workloads for every one, so that
// benchstat can compare them: Append into a slice with room, and Decode, of a player's
// input, a chat event, a list of 100 structs, a struct of every kind, and a map of any.
// Bytes per second are those of the message. Of h, New is used, and Values are measured
// too.
func BenchCodec(b *testing.B, h Codec) {
	if h.New == nil {
		b.Fatal("conformance: Codec.New is not set")
	}
	type input struct {
		Tick    uint32
		Move    [2]float32
		Buttons uint16
		Seen    []uint32
	}
	type chat struct {
		From string
		At   time.Time
		Text string
	}
	var every codecEvery
	codecFill(codecSeeded(1), reflect.ValueOf(&every).Elem(), 3)
	work := []struct {
		name string
		v    any
	}{
		{"Input", &input{1 << 20, [2]float32{0.5, -1}, 3, []uint32{1, 2, 3}}},
		{"Chat", &chat{"player seven", time.Unix(1_700_000_000, 5).UTC(), "over here, behind the tower"}},
		{"List", make([]codecPair, 100)},
		{"Every", &every},
		{"Any", map[string]any{"name": "sword", "damage": int64(12), "runes": []any{"fire", "ice"}, "at": map[string]any{"x": 1.5, "y": -2.5}}},
	}
	for _, v := range h.Values {
		work = append(work, struct {
			name string
			v    any
		}{"Own/" + reflect.TypeOf(v).String(), v})
	}
	for _, w := range work {
		c := h.New(b)
		msg, err := c.Append(nil, w.v)
		if err != nil {
			b.Errorf("%s: %v", w.name, err)
			continue
		}
		b.Run("Append/"+w.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			buf := make([]byte, 0, len(msg)+64)
			for b.Loop() {
				if _, err := c.Append(buf, w.v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Decode/"+w.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(msg)))
			out := reflect.New(codecValue(w.v).Type()).Interface()
			for b.Loop() {
				if _, err := c.Decode(msg, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
