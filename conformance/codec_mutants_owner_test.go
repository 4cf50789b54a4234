package conformance

import (
	"errors"
	"reflect"
	"slices"

	"github.com/parley-net/parley/core"
)

var codecOwnerMutants = []codecMutant{
	{"Append/KeepsDst", "returns the message alone", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) { return d.Msgp.Append(nil, v) }
	}},
	{"Append/KeepsDst", "writes from the front of dst", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) { return d.Msgp.Append(dst[:0], v) }
	}},
	{"Append/KeepsDst", "returns memory that it uses again", func(d *codecDouble) {
		var buf []byte
		d.append = func(dst []byte, v any) (_ []byte, err error) {
			if dst != nil {
				return d.Msgp.Append(dst, v)
			}
			buf, err = d.Msgp.Append(buf[:0], v)
			return buf, err
		}
	}},
	{"Append/ValueIsCallers", "returns the bytes that it was given", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			if b, ok := v.([]byte); ok && dst == nil {
				return b, nil
			}
			return d.Msgp.Append(dst, v)
		}
	}},
	{"Append/ValueIsCallers", "sorts lists where they are", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			if s, ok := v.([]int); ok {
				slices.Sort(s)
			}
			return d.Msgp.Append(dst, v)
		}
	}},
	{"Append/UnchangedOnError", "returns what it wrote before it failed", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			b, err := d.Msgp.Append(dst, v)
			if err != nil {
				return append(b, 0x92), err
			}
			return b, nil
		}
	}},
	{"Append/UnchangedOnError", "returns nil when it fails", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			b, err := d.Msgp.Append(dst, v)
			if err != nil {
				return nil, err
			}
			return b, nil
		}
	}},
	{"Decode/Rest", "takes all of src", func(d *codecDouble) {
		d.decode = func(src []byte, v any) ([]byte, error) {
			_, err := d.Msgp.Decode(src, v)
			return nil, err
		}
	}},
	{"Decode/Rest", "wants nothing behind a value", func(d *codecDouble) {
		d.decode = func(src []byte, v any) ([]byte, error) {
			rest, err := d.Msgp.Decode(src, v)
			if err == nil && len(rest) > 0 {
				err = core.ErrMalformed
			}
			return rest, err
		}
	}},
	{"Decode/OldContent", "adds to a map what it held", func(d *codecDouble) {
		d.decode = func(src []byte, v any) ([]byte, error) {
			m, ok := v.(*map[string]int)
			if !ok {
				return d.Msgp.Decode(src, v)
			}
			old := *m
			rest, err := d.Msgp.Decode(src, v)
			for k, n := range old {
				if _, found := (*m)[k]; !found && *m != nil {
					(*m)[k] = n
				}
			}
			return rest, err
		}
	}},
	{"Decode/OldContent", "leaves out what is zero", func(d *codecDouble) {
		d.decode = func(src []byte, v any) ([]byte, error) {
			old := reflect.ValueOf(v).Elem()
			fresh := reflect.New(old.Type())
			rest, err := d.Msgp.Decode(src, fresh.Interface())
			if old.Kind() != reflect.Struct || old.Type() == timeType {
				old.Set(fresh.Elem())
				return rest, err
			}
			for i := range old.NumField() {
				if f := fresh.Elem().Field(i); f.CanSet() && !f.IsZero() {
					old.Field(i).Set(f)
				}
			}
			return rest, err
		}
	}},
	{"Decode/SourceIsCallers", "hands out a part of src for bytes", func(d *codecDouble) {
		d.decoded(func(src []byte, v any) error {
			if b, ok := v.(*[]byte); ok {
				*b = src[len(src)-len(*b):]
			}
			return nil
		})
	}},
	{"Decode/SourceIsCallers", "turns bytes around in src", func(d *codecDouble) {
		d.decoded(func(src []byte, v any) error { slices.Reverse(src); return nil })
	}},
	{"Refuse/Foreign", "writes nil for what it does not know", func(d *codecDouble) { d.append = nilForUnsupported(d) }},
	{"Refuse/Foreign", "refuses with an error of its own kind", func(d *codecDouble) {
		d.append = func(dst []byte, v any) ([]byte, error) {
			b, err := d.Msgp.Append(dst, v)
			if err != nil {
				err = errors.New(err.Error())
			}
			return b, err
		}
	}},
	{"Refuse/Cycles", "ends a value that contains itself with nil", func(d *codecDouble) { d.append = nilForUnsupported(d) }},
}

func nilForUnsupported(d *codecDouble) func(dst []byte, v any) ([]byte, error) {
	return func(dst []byte, v any) ([]byte, error) {
		b, err := d.Msgp.Append(dst, v)
		if err != nil {
			return append(b, 0xc0), nil
		}
		return b, nil
	}
}
