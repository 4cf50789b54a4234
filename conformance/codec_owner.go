package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/parley-net/parley/core"
)

// The laws of who owns which memory, and of what is left of what was there before.
var codecOwnerLaws = []law[Codec]{
	codecLaw("Append/KeepsDst", "Append leaves the bytes of dst as they are, puts the same bytes behind them whatever dst and its capacity are, and touches no result of an earlier call.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			var joined, want, earlier []byte
			for _, m := range messages {
				for _, room := range []int{0, 1, len(m.b), len(m.b) + 100} {
					for _, head := range []string{"", "head", string(m.b)} {
						dst := append(make([]byte, 0, len(head)+room), head...)
						out, err := k.append(dst, m.v)
						if err != nil {
							return fmt.Errorf("a %T: %w", m.v, err)
						}
						if string(dst) != head || string(out) != head+string(m.b) {
							return fmt.Errorf("a %T behind %s with room for %d gives %s, and alone it is %s", m.v, codecHex([]byte(head)), room, codecHex(out), codecHex(m.b))
						}
					}
				}
				first, err := k.encode(m.v)
				if err != nil {
					return err
				}
				if earlier != nil && !bytes.Equal(earlier, want[len(want)-len(earlier):]) {
					return fmt.Errorf("the bytes of an earlier Append changed as a %T was appended", m.v)
				}
				earlier = first
				want = append(want, m.b...)
				if joined, err = k.append(joined, m.v); err != nil {
					return err
				}
			}
			if !bytes.Equal(joined, want) {
				return errors.New("messages appended one behind the other are not the messages")
			}
			return nil
		}),
	codecLaw("Append/ValueIsCallers", "Append changes nothing of the value, and its result shares no memory with it.",
		func(k *codecKit) error {
			for i, t := range codecTypes {
				v, twin := reflect.New(t), reflect.New(t)
				codecFill(codecSeeded(uint64(i)), v.Elem(), 4)
				codecFill(codecSeeded(uint64(i)), twin.Elem(), 4)
				for j, x := range []any{v.Elem().Interface(), []byte("bytes that travel alone"), codecBlob("named"), []string{"b", "a"}, []int{3, 1, 2}} {
					b, err := k.encode(x)
					if err != nil {
						return err
					}
					kept := bytes.Clone(b)
					before := reflect.ValueOf([]any{twin.Elem().Interface(), []byte("bytes that travel alone"), codecBlob("named"), []string{"b", "a"}, []int{3, 1, 2}}[j])
					for _, what := range []string{"Append", "writing to what Append returned"} {
						if before.IsValid() {
							if err := codecSame(before, reflect.ValueOf(x)); err != nil {
								return fmt.Errorf("%s changed a %T: %w", what, x, err)
							}
						}
						for i := range b[:cap(b)] {
							b[:cap(b)][i] ^= 0x55
						}
					} // an even number of times, so b is what it was
					codecSpoil(reflect.ValueOf(x))
					if !bytes.Equal(kept, b) {
						return fmt.Errorf("what Append returned changed with the %T", x)
					}
				}
			}
			return nil
		}),
	codecLaw("Append/UnchangedOnError", "When Append refuses a value, early or half-way, it returns dst with the length and content that it had.",
		func(k *codecKit) error {
			for _, bad := range codecForeign() {
				for _, room := range []int{0, 1000} {
					dst := append(make([]byte, 0, 4+room), "head"...)
					out, err := k.append(dst, bad)
					if err == nil {
						return fmt.Errorf("taken by Append: a %T", bad)
					}
					if string(out) != "head" || string(dst) != "head" {
						return fmt.Errorf("as it refused a %T, Append returned %s for the dst %s", bad, codecHex(out), codecHex([]byte("head")))
					}
				}
			}
			return nil
		}),
	codecLaw("Decode/Rest", "Decode takes one value and returns exactly the bytes behind it, whatever they are; values appended one behind the other come back one by one.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			var all []byte
			for i, m := range messages {
				all = append(all, m.b...)
				for _, tail := range [][]byte{{0}, {0xff}, {0xc1}, []byte("tail"), m.b, bytes.Repeat([]byte{byte(i)}, 100)} {
					src := slices.Concat(m.b, tail)
					v := reflect.New(m.typ)
					rest, err := k.decode(src, v.Interface())
					if err == nil {
						err = codecSame(codecValue(m.v), v.Elem())
					}
					if err != nil {
						return fmt.Errorf("a %T with %s behind it: %w", m.v, codecHex(tail), err)
					}
					if !bytes.Equal(rest, tail) {
						return fmt.Errorf("a %T with %s behind it left %s", m.v, codecHex(tail), codecHex(rest))
					}
				}
			}
			for i, m := range messages {
				v := reflect.New(m.typ)
				if all, err = k.decode(all, v.Interface()); err == nil {
					err = codecSame(codecValue(m.v), v.Elem())
				}
				if err != nil {
					return fmt.Errorf("value %d of %d in a row, a %T: %w", i+1, len(messages), m.v, err)
				}
			}
			if len(all) > 0 {
				return fmt.Errorf("%d bytes were left behind the last value", len(all))
			}
			return nil
		}),
	codecLaw("Decode/OldContent", "What the value held before does not show through: no old element, entry, field or pointer.",
		func(k *codecKit) error {
			for _, t := range codecTypes {
				for range 12 {
					v, old := reflect.New(t), reflect.New(t)
					codecFill(k.r, v.Elem(), k.r.IntN(4))
					codecFill(k.r, old.Elem(), 4)
					b, err := k.encode(v.Elem().Interface())
					if err != nil {
						return err
					}
					if _, err = k.decode(b, old.Interface()); err == nil {
						err = codecSame(v.Elem(), old.Elem())
					}
					if err != nil {
						return fmt.Errorf("a %s, decoded into one that held another value: %w", t, err)
					}
				}
			}
			return nil
		}),
	codecLaw("Decode/SourceIsCallers", "Decode writes nothing to src, nor to the room behind it, and what it decoded shares no memory with it.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			for _, m := range append(messages, codecMessage{b: nil, v: []byte("bytes"), typ: reflect.TypeFor[[]byte]()}) {
				if m.b == nil {
					if m.b, err = k.encode(m.v); err != nil {
						return err
					}
				}
				room := append(bytes.Clone(m.b), "room"...)
				for _, t := range []reflect.Type{m.typ, codecAny, reflect.TypeFor[codecEvery]()} {
					v := reflect.New(t)
					_, err := k.decode(room[:len(m.b)], v.Interface())
					if string(room) != string(m.b)+"room" {
						return fmt.Errorf("decoding a %T into a %s wrote to src", m.v, t)
					}
					if t != m.typ {
						continue
					}
					for i := range room {
						room[i] = 0xee
					}
					if err == nil {
						err = codecSame(codecValue(m.v), v.Elem())
					}
					if err != nil {
						return fmt.Errorf("a %T, after src was overwritten: %w", m.v, err)
					}
					copy(room, string(m.b)+"room")
				}
			}
			return nil
		}),
}

// codecSpoil overwrites what v leads to.
func codecSpoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			codecSpoil(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Pointer:
		if !v.IsNil() {
			codecSpoil(v.Elem())
			v.Elem().SetZero()
		}
	case reflect.Interface:
		codecSpoil(v.Elem())
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			codecSpoil(it.Value())
		}
		v.Clear()
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type() != timeType {
				codecSpoil(v.Field(i))
			}
		}
	}
}

// codecForeign are values that no codec takes, at the top and half-way in.
func codecForeign() []any {
	return []any{make(chan int), func() {}, []any{1, "two", make(chan int)}, map[string]any{"a": 1, "f": func() {}},
		[]func(){func() {}}, map[string]chan int{"c": make(chan int)}, struct {
			A int
			C chan int
			B string
		}{1, make(chan int), "b"}, []any{1, []any{2, map[string]any{"x": struct{ F func() }{func() {}}}}}}
}

// unsupported wants an error that wraps ErrUnsupported for v.
func (k *codecKit) unsupported(v any) error {
	if _, err := k.append(nil, v); !errors.Is(err, core.ErrUnsupported) {
		return fmt.Errorf("appending a %T returned %v, want an error that wraps ErrUnsupported", v, err)
	}
	return nil
}
