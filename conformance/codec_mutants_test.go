package conformance

import (
	"encoding/binary"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/core"
)

// codecMutants returns the broken codecs, at least one for each law.
func codecMutants() []codecMutant {
	return slices.Concat(codecTripMutants, codecOwnerMutants, codecSchemaMutants, codecByteMutants, codecUseMutants)
}

// spoilEach makes a mutant that changes every part of what it decodes.
func spoilEach(f func(v reflect.Value)) func(d *codecDouble) {
	return func(d *codecDouble) {
		d.decoded(func(_ []byte, v any) error { codecEach(reflect.ValueOf(v), f); return nil })
	}
}

var codecTripMutants = []codecMutant{
	{"RoundTrip/Numbers", "passes 64-bit integers through float64", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.Int64 {
			v.SetInt(int64(float64(v.Int())))
		}
	})},
	{"RoundTrip/Numbers", "says 0 for NaN", spoilEach(func(v reflect.Value) {
		if v.CanFloat() && math.IsNaN(v.Float()) {
			v.SetFloat(0)
		}
	})},
	{"RoundTrip/Text", "replaces what is not UTF-8", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.String {
			v.SetString(strings.ToValidUTF8(v.String(), "\ufffd"))
		}
	})},
	{"RoundTrip/Text", "cuts text at 64 KiB", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.String {
			v.SetString(v.String()[:min(v.Len(), 1<<16)])
		}
	})},
	{"RoundTrip/Times", "cuts times to microseconds", spoilEach(func(v reflect.Value) {
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(v.Interface().(time.Time).Truncate(time.Microsecond)))
		}
	})},
	{"RoundTrip/Nothing", "makes a zero value of a nil pointer", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.Pointer && v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
	})},
	{"RoundTrip/Nothing", "makes a nil pointer of a zero value", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().IsZero() {
			v.SetZero()
		}
	})},
	{"RoundTrip/Any", "makes floats of all numbers in an any", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.Interface && !v.IsNil() && v.Elem().CanInt() {
			v.Set(reflect.ValueOf(float64(v.Elem().Int())))
		}
	})},
	{"RoundTrip/Any", "makes text of bytes in an any", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.Interface {
			if b, ok := v.Interface().([]byte); ok {
				v.Set(reflect.ValueOf(string(b)))
			}
		}
	})},
	{"RoundTrip/Generated", "swaps the bytes of 16-bit numbers in structs", spoilEach(func(v reflect.Value) {
		if v.Type() == reflect.TypeFor[codecEvery]() {
			f := v.FieldByName("U16")
			f.SetUint(uint64(bits.ReverseBytes16(uint16(f.Uint()))))
		}
	})},
	{"RoundTrip/Own", "does not know the fields of other packages' types", spoilEach(func(v reflect.Value) {
		if v.Type() == reflect.TypeFor[codecOwn]() {
			v.SetZero()
		}
	})},
	{"RoundTrip/Large", "counts elements in 16 bits", spoilEach(func(v reflect.Value) {
		if v.Kind() == reflect.Slice {
			v.SetLen(v.Len() & 0xffff)
		}
	})},
	{"RoundTrip/Large", "refuses messages above 64 KiB", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			b, err := d.Msgp.Append(dst, v)
			if len(b)-len(dst) > 64<<10 {
				return dst, core.ErrUnsupported
			}
			return b, err
		}
	}},
	{"Equal/Maps", "writes maps in the order of their iteration", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			m, ok := v.(map[string]int)
			if !ok {
				return d.Msgp.Append(dst, v)
			}
			dst = binary.BigEndian.AppendUint16(append(dst, 0xde), uint16(len(m)))
			for k, n := range m {
				dst, _ = d.Msgp.Append(dst, k)
				dst, _ = d.Msgp.Append(dst, n)
			}
			return dst, nil
		}
	}},
	{"Equal/Repeated", "numbers its messages", func(d *codecDouble) {
		n := byte(0)
		d.append = func(dst []byte, v any) ([]byte, error) {
			n++
			return d.Msgp.Append(append(dst, n), v)
		}
		d.decode = func(src []byte, v any) ([]byte, error) {
			if len(src) == 0 {
				return src, core.ErrMalformed
			}
			return d.Msgp.Decode(src[1:], v)
		}
	}},
	{"Equal/Repeated", "salts the messages of each codec", func(d *codecDouble) {
		salt := byte(codecSalt.Add(1))
		d.append = func(dst []byte, v any) ([]byte, error) { return d.Msgp.Append(append(dst, salt), v) }
		d.decode = func(src []byte, v any) ([]byte, error) {
			if len(src) == 0 {
				return src, core.ErrMalformed
			}
			return d.Msgp.Decode(src[1:], v)
		}
	}},
}

var codecSalt atomic.Int32
