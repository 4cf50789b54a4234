package conformance

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/codec"
	"github.com/parley-net/parley/core"
)

// codecDouble is the msgp codec with some of its methods replaced.
type codecDouble struct {
	codec.Msgp
	name     func() string
	append   func(dst []byte, v any) ([]byte, error)
	decode   func(src []byte, v any) ([]byte, error)
	supports func(t reflect.Type) error
}

func newCodecDouble() *codecDouble {
	var m codec.Msgp
	return &codecDouble{m, m.Name, m.Append, m.Decode, m.Supports}
}

func (d *codecDouble) Name() string                             { return d.name() }
func (d *codecDouble) Append(dst []byte, v any) ([]byte, error) { return d.append(dst, v) }
func (d *codecDouble) Decode(src []byte, v any) ([]byte, error) { return d.decode(src, v) }
func (d *codecDouble) Supports(t reflect.Type) error            { return d.supports(t) }
func (d *codecDouble) decoded(change func(src []byte, v any) error) {
	d.decode = func(src []byte, v any) ([]byte, error) {
		rest, err := d.Msgp.Decode(src, v)
		if err == nil {
			err = change(src[:len(src)-len(rest)], v)
		}
		return rest, err
	}
}

// failing replaces the errors of Decode.
func (d *codecDouble) failing(replace func(src []byte, v any, err error) error) {
	d.decode = func(src []byte, v any) ([]byte, error) {
		rest, err := d.Msgp.Decode(src, v)
		if err != nil {
			err = replace(src, v, err)
		}
		return rest, err
	}
}

// codecEach calls f with every value that v leads to and that can be set.
func codecEach(v reflect.Value, f func(v reflect.Value)) {
	if v.CanSet() {
		f(v)
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			codecEach(v.Index(i), f)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			codecEach(v.Elem(), f)
		}
	case reflect.Interface:
		if !v.IsNil() {
			own := reflect.New(v.Elem().Type()).Elem()
			own.Set(v.Elem())
			codecEach(own, f)
			v.Set(own)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			own := reflect.New(v.Type().Elem()).Elem()
			own.Set(v.MapIndex(key))
			codecEach(own, f)
			v.SetMapIndex(key, own)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != timeType {
				codecEach(v.Field(i), f)
			}
		}
	}
}

// codecOwn is a type of one's own.
type codecOwn struct {
	Name string
	List []codecPair
}

// newNastyCodec returns a codec that does what callers do not expect and the
// contract allows: a mark in front of each message and one behind it, of which it can
// do without the latter at the end; results in memory of their own; what is nil comes
// back empty, -0 as 0, integers in an any as int, times in another zone; rubbish in a
// value that could not be decoded; errors without details; a name without a version.
func newNastyCodec() core.Codec {
	d := newCodecDouble()
	d.name = func() string { return "nasty!" }
	d.append = func(dst []byte, v any) ([]byte, error) {
		b, err := d.Msgp.Append([]byte("N"), v)
		if err != nil {
			return dst, core.ErrUnsupported
		}
		return slices.Concat(dst, b, []byte(";")), nil
	}
	d.decode = func(src []byte, v any) ([]byte, error) {
		if len(src) < 1 || src[0] != 'N' {
			return nil, core.ErrMalformed
		}
		rest, err := d.Msgp.Decode(src[1:], v)
		if err != nil || len(rest) > 0 && rest[0] != ';' {
			codecFill(rand.New(rand.NewPCG(1, 1)), reflect.ValueOf(v).Elem(), 1)
			return nil, core.ErrMalformed
		}
		codecEach(reflect.ValueOf(v), func(v reflect.Value) {
			switch {
			case v.Type() == timeType:
				v.Set(reflect.ValueOf(v.Interface().(time.Time).In(time.FixedZone("nasty", 3600))))
			case v.Kind() == reflect.Slice && v.IsNil():
				v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			case v.Kind() == reflect.Map && v.IsNil():
				v.Set(reflect.MakeMap(v.Type()))
			case v.CanFloat() && v.Float() == 0:
				v.SetFloat(0)
			case v.Kind() == reflect.Interface && !v.IsNil() && v.Elem().Kind() == reflect.Int64:
				v.Set(reflect.ValueOf(int(v.Elem().Int())))
			}
		})
		return rest[min(1, len(rest)):], nil
	}
	return struct{ core.Codec }{d} // without Supports
}

func TestCodecNasty(t *testing.T) {
	TestCodec(t, Codec{
		New:    func(testing.TB) core.Codec { return newNastyCodec() },
		Values: []any{codecOwn{"own", nil}, &codecOwn{"own", []codecPair{{1, 2}}}},
		Alloc:  func(n int) int64 { return 256<<10 + 2048*int64(n) },
	})
}

// codecMutant is a broken codec, the law that catches it, and how it is broken.
type codecMutant struct {
	law, says string
	spoil     func(d *codecDouble)
}

// TestCodecMutants holds that each law catches what it is there for.
func TestCodecMutants(t *testing.T) {
	caught := make(map[string]bool)
	for _, m := range codecMutants() {
		i := slices.IndexFunc(codecLaws(), func(l law[Codec]) bool { return l.name == m.law })
		if i < 0 {
			t.Errorf("mutant %q is for law %q, which does not exist", m.says, m.law)
			continue
		}
		caught[m.law] = true
		t.Run(m.law, func(t *testing.T) {
			h, o := m.harness().options()
			err, _ := checkLaw(t, codecLaws()[i], h, o)
			var skipped *skipError
			switch {
			case err == nil:
				t.Errorf("passes: a codec that %s", m.says)
			case errors.As(err, &skipped):
				t.Errorf("skipped: %s", skipped.why)
			default:
				t.Logf("%s: %v", m.says, err)
			}
		})
	}
	for _, l := range codecLaws() {
		if !caught[l.name] {
			t.Errorf("no mutant shows that law %s can fail", l.name)
		}
	}
}

func (m codecMutant) harness() Codec {
	return Codec{
		New: func(testing.TB) core.Codec {
			d := newCodecDouble()
			m.spoil(d)
			return d
		},
		Values: []any{codecOwn{"own", []codecPair{{1, 2}}}},
		Seed:   1,
	}
}
