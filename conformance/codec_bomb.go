package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/parley-net/parley/core"
)

// The laws of messages that are made to take memory.
var codecBombLaws = []law[Codec]{
	codecLaw("Bombs/Sizes", "A few bytes that announce a huge size take no more memory than the contract allows: 64 KiB and 64 for each byte, or what the codec declares.",
		func(k *codecKit) error {
			huge := [][]byte{{0xff, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}, {0x01, 0, 0, 0}, {0xff, 0xff}, {0, 0, 0, 0x01},
				{0xff, 0xff, 0xff, 0xff, 0x0f}, {0xff, 0xff, 0xff, 0x3f}, {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, bytes.Repeat([]byte{0xff}, 9)}
			for _, v := range []any{[]int{1}, []string{"a"}, "abc", []byte("abc"), map[string]int{"a": 1}, map[int]bool{1: true}, []any{1}, map[string]any{"a": 1},
				[]codecPair{{1, 2}}, [][]byte{{1}}, codecPair{1, 2}, &codecPair{1, 2}, 5, []float64{1}, map[string]any{"a": []any{"b"}}} {
				b, err := k.encode(v)
				if err != nil {
					return err
				}
				typ := codecValue(v).Type()
				var probes []codecProbe
				add := func(parts ...[]byte) {
					src := slices.Concat(parts...)
					probes = append(probes, codecProbe{src, typ}, codecProbe{src, codecAny})
				}
				for at := range min(len(b), 24) {
					for _, size := range huge {
						add(b[:at], size, b[at:])                           // in front of a byte
						add(b[:at], size, b[min(len(b), at+1):])            // in its place
						add(b[:at], size, b[min(len(b), at+len(size)):])    // over what is there
						add(b[:at+1], size, bytes.Repeat([]byte{b[0]}, 40)) // and something follows
					}
					for lead := range 256 { // with every byte that may announce a size
						size := huge[(lead+at+int(k.seed%16))%3]
						add(b[:at], []byte{byte(lead)}, size, b[at:])
					}
				}
				if err := k.probe(probes...); err != nil {
					return err
				}
			}
			return nil
		}),
	codecLaw("Bombs/Dense", "Long lists of what is small in bytes and large in memory, such as empty lists, maps and strings, take no more memory than the contract allows, or are refused with ErrUnsupported by Append already.",
		func(k *codecKit) error {
			for _, n := range []int{50, 2000} {
				for _, v := range []any{make([]any, n), make([]string, n), make([][]byte, n), make([][]int, n), make([]struct{}, n), make([]codecEvery, n/10), make([]map[string]int, n),
					make([]*codecPair, n), slices.Repeat([]*codecPair{{}}, n), slices.Repeat([]any{[]any{}}, n), slices.Repeat([]any{map[string]any{}}, n), slices.Repeat([]any{""}, n),
					slices.Repeat([]any{map[string]any{"": nil}}, n), slices.Repeat([]map[string]int{{}}, n), slices.Repeat([]map[int8]int8{{1: 1}}, n), slices.Repeat([][]string{{""}}, n), slices.Repeat([]any{[]any{nil}}, n)} {
					b, err := k.append(nil, v)
					if errors.Is(err, core.ErrUnsupported) {
						continue
					}
					if err != nil {
						return fmt.Errorf("appending a %T of %d: %w", v, n, err)
					}
					probes := []codecProbe{{b, reflect.TypeOf(v)}, {b, codecAny}}
					for _, t := range codecTypes {
						if t.Kind() == reflect.Slice {
							probes = append(probes, codecProbe{b, t})
						}
					}
					// The same without a part of its middle, so that elements stand for others.
					probes = append(probes, codecProbe{slices.Concat(b[:len(b)/2], b[len(b)/2+1:]), reflect.TypeOf(v)})
					if err := k.probe(probes...); err != nil {
						return err
					}
				}
			}
			return nil
		}),
	codecLaw("Bombs/Nesting", "Decode bounds nesting: 100,000 lists, maps or structs within each other are an error that wraps ErrMalformed, within its memory.", codecBoundsNesting),
}

// codecBoundsNesting has a name, as a codec that follows nested bytes until the
// stack is full ends the process, and the trace then names this law.
func codecBoundsNesting(k *codecKit) error {
	defer debug.SetMaxStack(debug.SetMaxStack(512 << 20))
	const levels = 100_000
	chain := func(v any, n int) any {
		for range n {
			v = &codecNode{Next: v.(*codecNode)}
		}
		return v
	}
	kids := func(v any, n int) any {
		for range n {
			v = &codecNode{Kids: []codecNode{*v.(*codecNode)}}
		}
		return v
	}
	lists := func(v any, n int) any {
		for range n {
			v = []any{v}
		}
		return v
	}
	maps := func(v any, n int) any {
		for range n {
			v = map[string]any{"k": v}
		}
		return v
	}
	node := reflect.TypeFor[codecNode]()
	for _, x := range []struct {
		what string
		core any
		wrap func(v any, n int) any
		typ  reflect.Type
	}{{"lists", nil, lists, codecAny}, {"maps", nil, maps, codecAny}, {"maps", nil, maps, reflect.TypeFor[map[string]any]()}, {"structs", &codecNode{}, chain, node}, {"lists of structs", &codecNode{}, kids, node}} {
		src, err := k.nest(x.core, x.wrap, levels)
		if errors.Is(err, core.ErrUnsupported) && x.typ == node {
			continue // a type that contains itself need not be taken
		}
		if err != nil {
			return err
		}
		if src == nil {
			k.logf("what %s in %s look like could not be told from the bytes", x.what, x.what)
			continue
		}
		if _, err := k.decode(src, reflect.New(x.typ).Interface()); err == nil {
			return fmt.Errorf("%d %s within each other, in %d bytes that begin with %s, were decoded", levels, x.what, len(src), codecHex(src))
		}
		if err := k.probe(codecProbe{src, x.typ}); err != nil {
			return err
		}
	}
	for lead := range 256 {
		if err := k.probe(codecProbe{bytes.Repeat([]byte{byte(lead)}, levels/4), codecAny}); err != nil {
			return err
		}
	}
	return nil
}

// nest returns the bytes of v wrapped n times, put together from those of fewer
// times, as Append may refuse to go so deep; nil if one cannot tell how.
func (k *codecKit) nest(v any, wrap func(v any, n int) any, n int) ([]byte, error) {
	var b [4][]byte
	for i := range b {
		var err error
		if b[i], err = k.encode(wrap(v, i+2)); err != nil {
			return nil, err
		}
	}
	grow := len(b[1]) - len(b[0])
	for front := grow; front >= 0; front-- {
		head, tail := b[1][:front], b[1][len(b[1])-(grow-front):]
		fits := true
		for i := range len(b) - 1 {
			fits = fits && bytes.Equal(b[i+1], slices.Concat(head, b[i], tail))
		}
		if fits {
			return slices.Concat(bytes.Repeat(head, n), b[0], bytes.Repeat(tail, n)), nil
		}
	}
	return nil, nil
}
