package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/parley-net/parley/core"
)

// codecKit is what the laws of codecs work with.
type codecKit struct {
	*env
	h Codec
	c core.Codec
	r *rand.Rand
}

func codecLaw(name, says string, check func(k *codecKit) error) law[Codec] {
	return law[Codec]{name, says, func(e *env, h Codec) error {
		return check(&codecKit{env: e, h: h, c: h.New(e.tb), r: rand.New(rand.NewPCG(e.seed, 1))})
	}}
}

// append calls Append and turns a panic into an error.
func (k *codecKit) append(dst []byte, v any) (b []byte, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic in Append of a %T: %v\n%s", v, x, debug.Stack())
		}
	}()
	return k.c.Append(dst, v)
}

// encode appends v, which the codec must take, to nothing.
func (k *codecKit) encode(v any) ([]byte, error) {
	b, err := k.append(nil, v)
	if err != nil {
		return nil, fmt.Errorf("appending the %T %s: %w", v, codecText(v), err)
	}
	return b, nil
}

// decode calls Decode and turns a panic into an error.
func (k *codecKit) decode(src []byte, v any) (rest []byte, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = &codecPanics{fmt.Sprintf("panic in Decode of %s into a %T: %v\n%s", codecHex(src), v, x, debug.Stack())}
		}
	}()
	return k.c.Decode(src, v)
}

type codecPanics struct{ text string }

func (e *codecPanics) Error() string { return e.text }

// take decodes src, which the codec wrote, into a fresh value of type t and wants
// the whole of it used.
func (k *codecKit) take(src []byte, t reflect.Type) (reflect.Value, error) {
	v := reflect.New(t)
	rest, err := k.decode(src, v.Interface())
	if err != nil {
		return v.Elem(), fmt.Errorf("decoding %s into a %s: %w", codecHex(src), t, err)
	}
	if len(rest) > 0 {
		return v.Elem(), fmt.Errorf("decoding %s into a %s left %d bytes", codecHex(src), t, len(rest))
	}
	return v.Elem(), nil
}

// trip writes v and reads it back.
func (k *codecKit) trip(v any) error {
	b, err := k.encode(v)
	if err != nil {
		return err
	}
	want := codecValue(v)
	got, err := k.take(b, want.Type())
	if err == nil {
		err = codecSame(want, got)
	}
	if err != nil {
		return fmt.Errorf("a %T: %w", v, err)
	}
	return nil
}

func (k *codecKit) trips(values ...any) error {
	for _, v := range values {
		if err := k.trip(v); err != nil {
			return err
		}
	}
	return nil
}

// codecValue returns what is compared with what comes back for v: what it points
// to, if it is a pointer to a struct.
func codecValue(v any) reflect.Value {
	if v == nil {
		return reflect.Zero(codecAny)
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && !rv.IsNil() && rv.Elem().Kind() == reflect.Struct {
		return rv.Elem()
	}
	return rv
}

// codecMessage is a value and what the codec writes for it.
type codecMessage struct {
	v   any
	typ reflect.Type
	b   []byte
}

// corpus returns a message of every type, and one of each value of one's own.
func (k *codecKit) corpus() ([]codecMessage, error) {
	var list []codecMessage
	values := append(codecSamples(k.r), k.h.Values...)
	for _, v := range values {
		b, err := k.encode(v)
		if err != nil {
			return nil, err
		}
		list = append(list, codecMessage{v, codecValue(v).Type(), b})
	}
	return list, nil
}

// codecProbe is bytes of a stranger, to be decoded into a value of a type.
type codecProbe struct {
	src []byte
	typ reflect.Type
}

// probe decodes each and holds that Decode returns a value or ErrMalformed, and
// takes no more memory than it may. Memory is measured for a few at once, and one by
// one where that was much: what other goroutines take is not to count.
func (k *codecKit) probe(list ...codecProbe) error {
	const few = 16
	for len(list) > 0 {
		now := list[:min(few, len(list))]
		list = list[len(now):]
		if err := k.Err(); err != nil {
			return fmt.Errorf("the law did not get through in time: %w", err)
		}
		bound := k.h.Alloc(0)
		for _, p := range now {
			bound = min(bound, k.h.Alloc(len(p.src)))
		}
		took, err := k.measure(now)
		if err != nil || took <= bound {
			if err != nil {
				return err
			}
			continue
		}
		for i, p := range now {
			least := int64(1 << 62)
			for try := 0; try < 5 && least > k.h.Alloc(len(p.src)); try++ {
				took, err := k.measure(now[i : i+1])
				if err != nil {
					return err
				}
				least = min(least, took)
			}
			if most := k.h.Alloc(len(p.src)); least > most {
				return fmt.Errorf("decoding %s into a %s took %d bytes of memory, and %d are allowed", codecHex(p.src), p.typ, least, most)
			}
		}
	}
	return nil
}

// measure decodes all of list and returns the memory that it took.
func (k *codecKit) measure(list []codecProbe) (int64, error) {
	targets, rests, errs := make([]any, len(list)), make([][]byte, len(list)), make([]error, len(list))
	for i, p := range list {
		targets[i] = reflect.New(p.typ).Interface()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i, p := range list {
		rests[i], errs[i] = k.decode(p.src, targets[i])
	}
	runtime.ReadMemStats(&after)
	for i, p := range list {
		if err := codecOutcome(p, rests[i], errs[i]); err != nil {
			return 0, err
		}
	}
	return int64(after.TotalAlloc - before.TotalAlloc), nil
}

// codecOutcome judges what Decode returned for bytes of a stranger.
func codecOutcome(p codecProbe, rest []byte, err error) error {
	if panics := (*codecPanics)(nil); errors.As(err, &panics) {
		return err
	}
	if err != nil {
		if !errors.Is(err, core.ErrMalformed) {
			return fmt.Errorf("decoding %s into a %s: %w, which does not wrap ErrMalformed", codecHex(p.src), p.typ, err)
		}
		return nil
	}
	if len(rest) > len(p.src) || !bytes.Equal(rest, p.src[len(p.src)-len(rest):]) {
		return fmt.Errorf("decoding %s into a %s returned %s, which is not the end of it", codecHex(p.src), p.typ, codecHex(rest))
	}
	return nil
}

func codecHex(b []byte) string {
	if len(b) > 48 {
		return fmt.Sprintf("%x… (%d bytes)", b[:48], len(b))
	}
	return fmt.Sprintf("%x (%d bytes)", b, len(b))
}

func codecText(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 100 {
		return fmt.Sprintf("%.90q…", s)
	}
	return s
}
