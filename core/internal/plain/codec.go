package plain

import (
	"bytes"
	"reflect"

	"github.com/parley-net/parley/core"
)

// Read decodes a value from the front of b into what p points to and returns it as
// Of does, with the bytes behind it. Where that would not bring back the same, it
// returns a map of one entry: the codec's name, with the codec's bytes.
func Read(codec core.Codec, p reflect.Value, b []byte) (x any, rest []byte) {
	rest, err := codec.Decode(b, p.Interface())
	if err != nil {
		return Bytes(codec, b), nil
	}
	b = b[:len(b)-len(rest)]
	if x, err = Of(p.Elem()); err == nil && comesBack(codec, p.Elem().Type(), x, b) {
		return x, rest
	}
	return Bytes(codec, b), rest
}

// Bytes returns what stands for a value that has no other form.
func Bytes(codec core.Codec, b []byte) any {
	return map[string]any{codec.Name(): append([]byte{}, b...)}
}

// IsBytes returns what Bytes was given, and false if x is not from it.
func IsBytes(codec core.Codec, x any) ([]byte, bool) {
	m, _ := x.(map[string]any)
	b, ok := m[codec.Name()].([]byte)
	return b, ok && len(m) == 1
}

// comesBack reports whether x, read as a value of type t, has the encoding b.
func comesBack(codec core.Codec, t reflect.Type, x any, b []byte) bool {
	switch x.(type) {
	case bool, int64, uint64, float64, string:
		if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
			return true // the same value, whatever the codec makes of it
		}
	}
	p := reflect.New(t)
	if err := Unread(codec, p.Elem(), x); err != nil {
		return false
	}
	again, err := codec.Append(nil, p.Interface())
	return err == nil && bytes.Equal(again, b)
}

// Unread gives dst, which can be set, the value that Read returned as x. Its error
// is as Set's.
func Unread(codec core.Codec, dst reflect.Value, x any) error {
	b, ok := IsBytes(codec, x)
	if !ok {
		return Set(dst, x)
	}
	rest, err := codec.Decode(b, dst.Addr().Interface())
	if err == nil && len(rest) > 0 {
		err = core.Errorf(core.ErrMalformed, "%d bytes left over", len(rest))
	}
	return err
}
