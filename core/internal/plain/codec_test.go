package plain_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
)

// TestRead holds that what Read makes of a value comes back as it was, whatever the
// value is, and reads as itself where it can.
func TestRead(t *testing.T) {
	five := 5
	for _, c := range []struct{ value, want any }{
		{"text", "text"},
		{[]string{"a"}, []any{"a"}},
		{struct{ A any }{int64(1)}, map[string]any{"A": int64(1)}},
		{&five, int64(5)},
		{(*int)(nil), nil},
		{struct{ A any }{float32(0.5)}, map[string]any{"msgp/1": []byte{0x91, 0xca, 0x3f, 0, 0, 0}}},
		{map[string]bool{"a\x00": true}, map[string]any{"msgp/1": []byte("\x81\xa2a\x00\xc3")}},
		{map[string][]byte{"msgp/1": {1}}, map[string]any{"msgp/1": []byte("\x81\xa6msgp/1\xc4\x01\x01")}},
	} {
		b, err := codec.Msgp{}.Append(nil, c.value)
		if err != nil {
			t.Fatal(err)
		}
		got, rest := plain.Read(codec.Msgp{}, reflect.New(reflect.TypeOf(c.value)), append(b, "rest"...))
		if !reflect.DeepEqual(got, c.want) || string(rest) != "rest" {
			t.Errorf("%v reads as %v, with %q behind it; want %v", c.value, got, rest, c.want)
		}
		back := reflect.New(reflect.TypeOf(c.value))
		if err := plain.Unread(codec.Msgp{}, back.Elem(), got); err != nil || !reflect.DeepEqual(back.Elem().Interface(), c.value) {
			t.Errorf("%v came back as %v: %v", c.value, back.Elem(), err)
		}
	}
	if got, rest := plain.Read(codec.Msgp{}, reflect.ValueOf(new(int)), []byte{0xc1}); !reflect.DeepEqual(got, plain.Bytes(codec.Msgp{}, []byte{0xc1})) || rest != nil {
		t.Errorf("what is no value reads as %v, with %q behind it", got, rest)
	}
	for _, b := range [][]byte{{0xc1}, {1, 2}} {
		if err := plain.Unread(codec.Msgp{}, reflect.New(reflect.TypeFor[int]()).Elem(), plain.Bytes(codec.Msgp{}, b)); !errors.Is(err, core.ErrMalformed) {
			t.Errorf("%v: %v", b, err)
		}
	}
	if err := plain.Unread(codec.Msgp{}, reflect.New(reflect.TypeFor[int]()).Elem(), map[string]any{"msgp/1": "text"}); err == nil || !strings.Contains(err.Error(), "want int, found a map of 1") {
		t.Errorf("a map of text: %v", err)
	}
}
