package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"

	"github.com/parley-net/parley/core"
)

// The laws of equal bytes for equal values.
var codecEqualLaws = []law[Codec]{
	codecLaw("Equal/Maps", "Equal maps give equal bytes, in whatever order they were filled and are iterated over.",
		func(k *codecKit) error {
			var first [][]byte
			for try := range 25 {
				text, number, named, nested := map[string]int{}, map[int64]string{}, map[codecTitle]codecPair{}, map[string]any{}
				order := k.r.Perm(60)
				for _, i := range order {
					if try%2 == 1 { // entries that came and went
						text[fmt.Sprint("gone ", i)], number[int64(1000+i)] = i, "gone"
					}
					key := fmt.Sprint("key ", i)
					text[key], number[int64(i-30)], named[codecTitle(key)] = i, key, codecPair{int16(i), 1}
					nested[key] = map[string]any{"x": i, "y": key, "z": []any{map[string]any{"p": 1, "q": 2, "r": nil}}}
				}
				for i := range order {
					delete(text, fmt.Sprint("gone ", i))
					delete(number, int64(1000+i))
				}
				for i, v := range []any{text, number, named, nested, []any{nested}, struct{ M map[string]int }{text}, map[int]map[string]int{1: text, 2: text}} {
					b, err := k.encode(v)
					if err != nil {
						return err
					}
					if try == 0 {
						first = append(first, b)
					} else if !bytes.Equal(first[i], b) {
						return fmt.Errorf("two equal values of type %T give other bytes", v)
					}
				}
			}
			return nil
		}),
	codecLaw("Equal/Repeated", "A value gives the same bytes each time, from another codec of the same name, and after it has travelled.",
		func(k *codecKit) error {
			messages, err := k.corpus()
			if err != nil {
				return err
			}
			other := &codecKit{env: k.env, h: k.h, c: k.h.New(k.tb), r: k.r}
			for _, m := range messages {
				for range 3 {
					b, err := k.encode(m.v)
					if err != nil {
						return err
					}
					if !bytes.Equal(b, m.b) {
						return fmt.Errorf("a %T gave %s, and then %s", m.v, codecHex(m.b), codecHex(b))
					}
				}
				b, err := other.encode(m.v)
				if err != nil {
					return err
				}
				if !bytes.Equal(b, m.b) {
					return fmt.Errorf("a %T gives %s with one codec and %s with another", m.v, codecHex(m.b), codecHex(b))
				}
				got, err := other.take(m.b, m.typ)
				if err != nil {
					return err
				}
				if b, err = k.encode(got.Interface()); err != nil {
					return err
				}
				again, err := k.take(b, m.typ)
				if err == nil {
					err = codecSame(codecValue(m.v), again)
				}
				if err != nil {
					return fmt.Errorf("a %T that travelled twice: %w", m.v, err)
				}
			}
			return nil
		}),
}

// The laws of what Append refuses.
var codecRefuseLaws = []law[Codec]{
	codecLaw("Refuse/Foreign", "Channels and functions, at the top or anywhere inside, are refused with an error that wraps ErrUnsupported, and not left out.",
		func(k *codecKit) error {
			for _, v := range codecForeign() {
				if err := k.unsupported(v); err != nil {
					return err
				}
			}
			return nil
		}),
	codecLaw("Refuse/Cycles", "A value that contains itself is refused with an error that wraps ErrUnsupported.", codecRefusesCycles),
}

// codecRefusesCycles has a name, as a codec that follows a cycle until the stack is
// full ends the process, and the trace then names this law.
func codecRefusesCycles(k *codecKit) error {
	defer debug.SetMaxStack(debug.SetMaxStack(128 << 20))
	list := []any{1, nil}
	list[1] = list
	table := map[string]any{"a": 1}
	table["b"] = []any{table}
	node := &codecNode{V: 1}
	node.Next = &codecNode{V: 2, Next: node}
	pair := struct{ A, B any }{A: 1}
	pair.B = &pair
	for _, v := range []any{list, table, node, map[string]any{"l": list}, &pair} {
		if err := k.unsupported(v); err != nil {
			return fmt.Errorf("containing itself: %w", err)
		}
	}
	// What merely occurs twice is no cycle.
	twice := []any{1, "x"}
	_, err := k.encode([]any{twice, twice, map[string]any{"a": twice}})
	if errors.Is(err, core.ErrUnsupported) {
		return fmt.Errorf("a list that occurs twice and does not contain itself: %w", err)
	}
	return err
}

// supporter is a codec that tells beforehand which types it takes.
type supporter interface{ Supports(reflect.Type) error }
