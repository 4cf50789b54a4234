package conformance

import (
	"bytes"
	"fmt"
	"reflect"
)

// The laws of messages that were changed on their way.
var codecByteLaws = []law[Codec]{
	codecLaw("Bytes/Prefix", "Of a message that was cut anywhere, Decode makes an error that wraps ErrMalformed, without panic and within its memory; a number may be cut into another number, anything else not into another value.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			for _, m := range messages {
				var probes []codecProbe
				step := max(1, len(m.b)/1000)
				for n := 0; n < len(m.b); n += step {
					cut := bytes.Clone(m.b[:n])
					probes = append(probes, codecProbe{cut, m.typ}, codecProbe{cut, codecAny})
					if codecIsNumber(m.v) {
						continue
					}
					// What lacks a mere end mark may be taken for the whole.
					v := reflect.New(m.typ)
					if _, err := k.decode(cut, v.Interface()); err == nil {
						if err := codecSame(codecValue(m.v), v.Elem()); err != nil {
							return fmt.Errorf("the first %d of the %d bytes of a %T were taken for another value: %w", n, len(m.b), m.v, err)
						}
					}
				}
				if err := k.probe(probes...); err != nil {
					return err
				}
			}
			return nil
		}),
	codecLaw("Bytes/OneByte", "Of a message with one byte changed, Decode makes a value or an error that wraps ErrMalformed, without panic and within its memory.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			const most = 1500 // changes of one message; long ones are changed here and there
			for _, m := range messages {
				step := 1 + len(m.b)*255/most
				var probes []codecProbe
				for i := k.r.IntN(step); i < len(m.b)*256; i += step {
					bad := bytes.Clone(m.b)
					bad[i/256] = byte(i)
					probes = append(probes, codecProbe{bad, m.typ})
					if i%3 == 0 {
						probes = append(probes, codecProbe{bad, codecAny})
					}
				}
				if err := k.probe(probes...); err != nil {
					return err
				}
			}
			return nil
		}),
	codecLaw("Bytes/WrongType", "Of a message for another type, or for a struct with other fields, Decode makes a value or an error that wraps ErrMalformed, without panic and within its memory.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			types := append([]reflect.Type{
				reflect.TypeFor[struct{ A int16 }](), reflect.TypeFor[struct{ A, B, C int16 }](), reflect.TypeFor[struct{ B, A string }](),
				reflect.TypeFor[struct{ X, Y int64 }](), reflect.TypeFor[struct{}](), reflect.TypeFor[[5]int32](), reflect.TypeFor[map[uint8]bool](),
			}, codecTypes...)
			for _, m := range messages {
				for _, t := range types {
					if err := k.probe(codecProbe{m.b, t}); err != nil {
						return err
					}
				}
			}
			return nil
		}),
	codecLaw("Bytes/Random", "Of bytes without any meaning Decode makes a value or an error that wraps ErrMalformed, without panic and within its memory.",
		func(k *codecKit) error {
			var probes []codecProbe
			for i := range 6000 {
				b := make([]byte, k.r.IntN(40))
				for j := range b {
					b[j] = byte(k.r.Uint32() >> (k.r.IntN(4) * 2))
				}
				probes = append(probes, codecProbe{b, codecTypes[i%len(codecTypes)]}, codecProbe{b, codecAny})
			}
			return k.probe(probes...)
		}),
}

// codecIsNumber tells whether v is a number, or leads to one.
func codecIsNumber(v any) bool {
	rv := reflect.ValueOf(v)
	for rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	return rv.IsValid() && (rv.CanInt() || rv.CanUint() || rv.CanFloat())
}
