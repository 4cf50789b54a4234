package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/parley-net/parley/core"
)

// The laws of messages that were written for other fields, or with other keys. The
// contract leaves it to the codec whether it takes such a message; half of it is never
// right.
var codecSchemaLaws = []law[Codec]{
	codecLaw("Decode/UnknownFields", "Of a struct with fields that the receiver's has not, Decode makes an error that wraps ErrMalformed, or the fields that both have, and then it takes no more and no less than the message: always the one or always the other.",
		func(k *codecKit) error {
			return k.eachNarrow(func(narrow reflect.Type) error { return k.otherFields(codecWideType, narrow) })
		}),
	codecLaw("Decode/MissingFields", "Of a struct without fields that the receiver's has, Decode makes an error that wraps ErrMalformed, or the fields that both have and zero for the others, and then it takes no more and no less than the message: always the one or always the other.",
		func(k *codecKit) error {
			return k.eachNarrow(func(narrow reflect.Type) error { return k.otherFields(narrow, codecWideType) })
		}),
	codecLaw("Decode/KeyTwice", "Of a message in which a key comes twice, Decode makes an error that wraps ErrMalformed, or takes one of the two values, always the first or always the last, and then it takes no more and no less than the message.",
		(*codecKit).keyTwice),
}

// codecWide is a struct of which others have some fields.
type codecWide struct {
	Aa int32
	Bb string
	Cc []int16
	Dd map[string]int
	Ee *codecPair
	Ff float64
	Gg struct{ X, Y int }
	Hh int32 // as the first one, for who goes by the order of fields
}

var codecWideType = reflect.TypeFor[codecWide]()

// eachNarrow calls f with structs of some of the fields of codecWide: the first ones, the
// last ones, and with gaps.
func (k *codecKit) eachNarrow(f func(narrow reflect.Type) error) error {
	n := codecWideType.NumField()
	full := 1<<n - 1
	sets := []int{1, 3, full >> 1, full << 1 & full, 1 << (n - 1), 0b101, 0b10101010}
	for range 10 {
		sets = append(sets, 1+k.r.IntN(full-1))
	}
	for _, set := range sets {
		var fields []reflect.StructField
		for i := range n {
			if set&(1<<i) != 0 {
				fields = append(fields, codecWideType.Field(i))
			}
		}
		if err := f(reflect.StructOf(fields)); err != nil {
			return err
		}
	}
	return nil
}

// otherFields decodes structs of one type into another, alone and inside of other values.
func (k *codecKit) otherFields(from, to reflect.Type) error {
	for _, wrap := range codecWraps {
		var took, refused error // how once, in words
		for range 8 {
			v := reflect.New(from).Elem()
			codecFill(k.r, v, 3)
			what := wrap.value(v)
			err := k.behind(what, wrap.typ(to))
			switch {
			case errors.Is(err, core.ErrMalformed):
				refused = fmt.Errorf("refused: %w", err)
			case err != nil:
				return fmt.Errorf("a %s into a %s: %w", what.Type(), wrap.typ(to), err)
			default:
				took = errors.New("taken")
			}
			if took != nil && refused != nil {
				return fmt.Errorf("a %s into a %s is sometimes taken and sometimes %w", what.Type(), wrap.typ(to), refused)
			}
		}
	}
	return nil
}

// behind decodes a value into another type, with a message behind it, and compares what
// both types have.
func (k *codecKit) behind(v reflect.Value, to reflect.Type) error {
	src, err := k.encode(v.Interface())
	if err != nil {
		return err
	}
	follows, err := k.encode("what follows")
	if err != nil {
		return err
	}
	got := reflect.New(to)
	codecFill(k.r, got.Elem(), 3) // which must not show through
	rest, err := k.decode(append(bytes.Clone(src), follows...), got.Interface())
	if err != nil {
		return err
	}
	if !bytes.Equal(rest, follows) {
		return fmt.Errorf("%s with %s behind it left %s", codecHex(src), codecHex(follows), codecHex(rest))
	}
	return codecKnown(v, got.Elem())
}

// codecKnown compares what two types have in common; what only got has must be zero.
func codecKnown(want, got reflect.Value) error {
	if want.Type() == got.Type() {
		return codecSame(want, got)
	}
	switch got.Kind() {
	case reflect.Slice:
		if want.Len() != got.Len() {
			return fmt.Errorf("%d elements became %d", want.Len(), got.Len())
		}
		for i := range got.Len() {
			if err := codecKnown(want.Index(i), got.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		if want.Len() != got.Len() {
			return fmt.Errorf("%d entries became %d", want.Len(), got.Len())
		}
		for _, key := range want.MapKeys() {
			if !got.MapIndex(key).IsValid() {
				return fmt.Errorf("the entry %v is missing", key)
			}
			if err := codecKnown(want.MapIndex(key), got.MapIndex(key)); err != nil {
				return err
			}
		}
	case reflect.Pointer:
		if got.IsNil() {
			return errors.New("a pointer became nil")
		}
		return codecKnown(want.Elem(), got.Elem())
	case reflect.Struct:
		for i := range got.NumField() {
			name := got.Type().Field(i).Name
			w := want.FieldByName(name)
			if !w.IsValid() {
				if !got.Field(i).IsZero() {
					return fmt.Errorf("the field %s, which did not travel, became %s", name, codecText(got.Field(i)))
				}
				continue
			}
			if err := codecKnown(w, got.Field(i)); err != nil {
				return fmt.Errorf("the field %s: %w", name, err)
			}
		}
	}
	return nil
}

// codecWraps put a struct into other values.
var codecWraps = []struct {
	typ   func(t reflect.Type) reflect.Type
	value func(v reflect.Value) reflect.Value
}{
	{func(t reflect.Type) reflect.Type { return t }, func(v reflect.Value) reflect.Value { return v }},
	{reflect.SliceOf, func(v reflect.Value) reflect.Value {
		s := reflect.MakeSlice(reflect.SliceOf(v.Type()), 2, 2)
		s.Index(0).Set(v)
		s.Index(1).Set(v)
		return s
	}},
	{func(t reflect.Type) reflect.Type { return reflect.MapOf(reflect.TypeFor[string](), t) }, func(v reflect.Value) reflect.Value {
		m := reflect.MakeMap(reflect.MapOf(reflect.TypeFor[string](), v.Type()))
		for _, key := range []string{"one", "other"} {
			m.SetMapIndex(reflect.ValueOf(key), v)
		}
		return m
	}},
	{codecBetween, func(v reflect.Value) reflect.Value {
		s := reflect.New(codecBetween(v.Type())).Elem()
		s.Field(0).SetInt(1)
		s.Field(1).Set(reflect.New(v.Type()))
		s.Field(1).Elem().Set(v)
		s.Field(2).SetString("after")
		return s
	}},
}

// codecBetween is a struct with a pointer to a t between other fields.
func codecBetween(t reflect.Type) reflect.Type {
	return reflect.StructOf([]reflect.StructField{
		{Name: "Before", Type: reflect.TypeFor[int]()},
		{Name: "Between", Type: reflect.PointerTo(t)},
		{Name: "After", Type: reflect.TypeFor[string]()},
	})
}

// keyTwice finds the text of a key in a message and makes it that of another key.
func (k *codecKit) keyTwice() error {
	const one, other = "KeyAa", "KeyBb"
	tried := 0
	for _, kind := range []func(m map[string]int) any{
		func(m map[string]int) any { return m },
		func(m map[string]int) any { return []map[string]int{m} },
		func(m map[string]int) any {
			loose := make(map[string]any, len(m))
			for key, n := range m {
				loose[key] = n
			}
			return loose
		},
		func(map[string]int) any { return struct{ KeyAa, KeyBb int }{1, 2} },
	} {
		took := make(map[int]bool) // 0 for refused, 1 for the first, 2 for the last
		for _, more := range []int{0, 1, 2, 20} {
			m := map[string]int{one: 1, other: 2}
			for i := range more {
				m[fmt.Sprint("more ", i)] = 3
			}
			v := kind(m)
			src, err := k.encode(v)
			if err != nil {
				return err
			}
			if bytes.Count(src, []byte(other)) != 1 || bytes.Count(src, []byte(one)) != 1 {
				continue // this codec writes it in its own way
			}
			tried++
			value, err := k.twice(bytes.Replace(src, []byte(other), []byte(one), 1), reflect.TypeOf(v), len(m)-1)
			if err != nil {
				return fmt.Errorf("a %T in which a key comes twice: %w", v, err)
			}
			if took[value] = true; len(took) > 1 {
				return fmt.Errorf("of messages of a %T in which a key comes twice some are refused and some taken, or some with the first value and some with the last", v)
			}
		}
	}
	if tried == 0 {
		return skip("keys are not found in the codec's messages")
	}
	return nil
}

// twice decodes a message in which the key KeyAa comes twice and returns its value, or 0
// if the message was refused. A map must have so many entries then.
func (k *codecKit) twice(src []byte, t reflect.Type, entries int) (int, error) {
	follows, err := k.encode("what follows")
	if err != nil {
		return 0, err
	}
	got := reflect.New(t)
	rest, err := k.decode(append(bytes.Clone(src), follows...), got.Interface())
	if errors.Is(err, core.ErrMalformed) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(rest, follows) {
		return 0, fmt.Errorf("%s with %s behind it left %s", codecHex(src), codecHex(follows), codecHex(rest))
	}
	v := got.Elem()
	if v.Kind() == reflect.Slice && v.Len() == 1 {
		v = v.Index(0)
	}
	var value any
	switch v.Kind() {
	case reflect.Struct:
		if b := v.Field(1); !b.IsZero() {
			return 0, fmt.Errorf("the field that was not there became %v", b)
		}
		value = v.Field(0).Interface()
	case reflect.Map:
		if v.Len() != entries {
			return 0, fmt.Errorf("%d keys became %d entries", entries, v.Len())
		}
		if e := v.MapIndex(reflect.ValueOf("KeyAa")); e.IsValid() {
			value = e.Interface()
		}
	}
	switch fmt.Sprint(value) {
	case "1":
		return 1, nil
	case "2":
		return 2, nil
	}
	return 0, fmt.Errorf("the values 1 and 2 of a key became %v", value)
}
