package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/parley-net/parley/core"
)

// The laws of the codec as a whole.
var codecUseLaws = []law[Codec]{
	codecLaw("Name/Stable", "Name is not empty, is printable ASCII without spaces of at most 64 bytes, and is the same each time, also after use and from another codec.",
		func(k *codecKit) error {
			name := k.c.Name()
			if name == "" || len(name) > 64 {
				return fmt.Errorf("the name %q has %d bytes", name, len(name))
			}
			for _, c := range []byte(name) {
				if c <= ' ' || c > '~' {
					return fmt.Errorf("the name %q holds the byte %#x", name, c)
				}
			}
			for range 3 {
				if _, err := k.encode([]any{1, "x"}); err != nil {
					return err
				}
				time.Sleep(time.Millisecond)
				if again, other := k.c.Name(), k.h.New(k.tb).Name(); again != name || other != name {
					return fmt.Errorf("the name was %q, is now %q, and that of another codec is %q", name, again, other)
				}
			}
			return nil
		}),
	codecLaw("Supports/Agrees", "Supports returns nil for a type of which Append takes the values, and for others an error that wraps ErrUnsupported.",
		func(k *codecKit) error {
			s, ok := k.c.(supporter)
			if !ok {
				return skip("the codec has no method Supports(reflect.Type) error")
			}
			for _, v := range append(append(codecSamples(k.r), codecNode{V: 1}, complex(1, 2), map[float64]int{1: 1}, map[codecPair]int{{1, 2}: 3}, struct{ E error }{errors.New("x")}, uintptr(1)), k.h.Values...) {
				if v == nil {
					continue
				}
				if err := k.agrees(s, v); err != nil {
					return err
				}
			}
			for _, v := range codecForeign() {
				if t := reflect.TypeOf(v); t.Kind() == reflect.Map && t.Elem() == codecAny || t == reflect.TypeFor[[]any]() {
					continue // the type does not tell what an any holds
				}
				if err := k.agrees(s, v); err != nil {
					return err
				}
			}
			return nil
		}),
	codecLaw("Concurrent/Use", "One codec serves many goroutines at once, with types that it meets for the first time.",
		func(k *codecKit) error {
			type fresh struct {
				E codecEvery
				L []struct{ A, B any }
				M map[codecLevel][]map[string]*codecPair
			}
			const workers = 8
			var wg sync.WaitGroup
			errs := make([]error, workers)
			start := make(chan struct{})
			for w := range workers {
				wg.Go(func() {
					own := &codecKit{env: k.env, h: k.h, c: k.c, r: rand.New(rand.NewPCG(k.seed, uint64(w)))}
					<-start
					for range 20 {
						var v fresh
						codecFill(own.r, reflect.ValueOf(&v).Elem(), 4)
						errs[w] = cmp.Or(errs[w], own.trips(v, &v, fmt.Sprint("worker ", w), map[string]int{"worker": w}))
					}
				})
			}
			close(start)
			wg.Wait()
			return cmp.Or(errs...)
		}),
}

func (k *codecKit) agrees(s supporter, v any) error {
	says := s.Supports(reflect.TypeOf(v))
	_, err := k.append(nil, v)
	switch {
	case says == nil && err != nil:
		return fmt.Errorf("the type %T is supported, says Supports, and Append refuses a value of it: %w", v, err)
	case says != nil && err == nil:
		return fmt.Errorf("a %T is taken by Append, and Supports says: %w", v, says)
	case says != nil && !errors.Is(says, core.ErrUnsupported):
		return fmt.Errorf("what Supports says of a %T does not wrap ErrUnsupported: %w", v, says)
	}
	return nil
}
