package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/parley-net/parley/core"
)

// otherwise makes a mutant of Decode where the codec refuses a message.
func otherwise(decode func(d *codecDouble, src []byte, v reflect.Value) ([]byte, error)) func(d *codecDouble) {
	return func(d *codecDouble) {
		d.decode = func(src []byte, v any) ([]byte, error) {
			old := reflect.ValueOf(v).Elem()
			kept := reflect.New(old.Type()).Elem()
			kept.Set(old)
			rest, err := d.Msgp.Decode(src, v)
			if err != nil {
				old.Set(kept)
				if rest, taken := decode(d, src, old); taken == nil {
					return rest, nil
				}
				old.SetZero()
			}
			return rest, err
		}
	}
}

// fields returns how many fields a tuple has of which v wants others.
func fields(src []byte, v reflect.Value) (n int, ok bool) {
	if v.Kind() != reflect.Struct || len(src) == 0 || src[0]&0xf0 != 0x90 {
		return 0, false
	}
	return int(src[0] & 0x0f), true
}

// resized returns a tuple that claims to have so many fields.
func resized(src []byte, n int) []byte {
	src = slices.Clone(src)
	src[0] = 0x90 | byte(n)
	return src
}

// keyRenamed decodes a map in which a key comes twice as if the second were another.
func keyRenamed(d *codecDouble, src []byte, v reflect.Value) (map[string]int, []byte, error) {
	m, ok := v.Addr().Interface().(*map[string]int)
	at := bytes.LastIndex(src, []byte("KeyAa"))
	if !ok || at < 0 {
		return nil, nil, core.ErrMalformed
	}
	src = slices.Clone(src)
	copy(src[at:], "KeyZz")
	rest, err := d.Msgp.Decode(src, m)
	return *m, rest, err
}

var codecSchemaMutants = []codecMutant{
	{"Decode/UnknownFields", "leaves the fields that it does not know for the next value", otherwise(func(d *codecDouble, src []byte, v reflect.Value) ([]byte, error) {
		if n, ok := fields(src, v); !ok || n < v.NumField() {
			return nil, core.ErrMalformed
		}
		return d.Msgp.Decode(resized(src, v.NumField()), v.Addr().Interface())
	})},
	{"Decode/UnknownFields", "takes fields by their order where there are too many", otherwise(func(d *codecDouble, src []byte, v reflect.Value) ([]byte, error) {
		n, ok := fields(src, v)
		if !ok || n < v.NumField() {
			return nil, core.ErrMalformed
		}
		rest, err := d.Msgp.Decode(resized(src, v.NumField()), v.Addr().Interface())
		for range n - v.NumField() {
			if err == nil {
				rest, err = msgp.Skip(rest)
			}
		}
		return rest, err
	})},
	{"Decode/MissingFields", "keeps what was there for fields that are missing", otherwise(func(d *codecDouble, src []byte, v reflect.Value) ([]byte, error) {
		n, ok := fields(src, v)
		if !ok || n > v.NumField() {
			return nil, core.ErrMalformed
		}
		rest := src[1:]
		var err error
		for range n {
			if rest, err = msgp.Skip(rest); err != nil {
				return nil, err
			}
		}
		whole := resized(src[:len(src)-len(rest)], v.NumField())
		for i := n; i < v.NumField(); i++ {
			if whole, err = d.Msgp.Append(whole, v.Field(i).Interface()); err != nil {
				return nil, err
			}
		}
		_, err = d.Msgp.Decode(whole, v.Addr().Interface())
		return rest, err
	})},
	{"Decode/KeyTwice", "takes the first or the last of a key that comes twice, in turn", func(d *codecDouble) {
		last := false
		otherwise(func(d *codecDouble, src []byte, v reflect.Value) ([]byte, error) {
			m, rest, err := keyRenamed(d, src, v)
			if last = !last; err == nil && last {
				m["KeyAa"] = m["KeyZz"]
			}
			delete(m, "KeyZz")
			return rest, err
		})(d)
	}},
	{"Decode/KeyTwice", "makes two entries of a key that comes twice", otherwise(func(d *codecDouble, src []byte, v reflect.Value) ([]byte, error) {
		_, rest, err := keyRenamed(d, src, v)
		return rest, err
	})},
}

// tolerant is a codec that ignores fields that it does not know, and takes the last of a
// key that comes twice. It is sound in that; what else it does is not to the point.
type tolerant struct{}

func (tolerant) Name() string { return "json" }

func (tolerant) Append(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return dst, core.Errorf(core.ErrUnsupported, "%w", err)
	}
	return append(dst, b...), nil
}

func (tolerant) Decode(src []byte, v any) ([]byte, error) {
	reflect.ValueOf(v).Elem().SetZero()
	d := json.NewDecoder(bytes.NewReader(src))
	if err := d.Decode(v); err != nil && err != io.EOF {
		return src, core.Errorf(core.ErrMalformed, "%w", err)
	}
	return src[d.InputOffset():], nil
}

// TestCodecTolerant holds that the laws about other fields are for either kind of codec.
func TestCodecTolerant(t *testing.T) {
	h, o := Codec{New: func(testing.TB) core.Codec { return tolerant{} }}.options()
	for _, l := range codecSchemaLaws {
		if err, _ := checkLaw(t, l, h, o); err != nil {
			t.Errorf("%s: %v\nseed: %d", l.name, err, o.seed)
		}
	}
}
