package conformance

import (
	"bytes"
	"fmt"
	"math/big"
	"reflect"
	"time"
)

var timeType = reflect.TypeFor[time.Time]()

// codecSame tells where a value that came back differs from the one that was
// written. All NaNs are the same, and so are 0 and -0, an empty slice or map and a nil
// one, a pointer to what is nil and a nil pointer, and the same instant in two zones.
func codecSame(want, got reflect.Value) error {
	differs := func() error {
		return fmt.Errorf("%s came back as %s", codecText(want), codecText(got))
	}
	if !want.IsValid() || want.Kind() == reflect.Interface && want.IsNil() {
		if got.IsValid() && !codecEmpty(got) {
			return fmt.Errorf("nil came back as %s", codecText(got))
		}
		return nil
	}
	if want.Type() == timeType {
		if a, b := want.Interface().(time.Time), got.Interface().(time.Time); !a.Equal(b) {
			return differs()
		}
		return nil
	}
	switch want.Kind() {
	case reflect.Float32, reflect.Float64:
		if a, b := want.Float(), got.Float(); a != b && (a == a || b == b) {
			return differs()
		}
	case reflect.Slice, reflect.Array:
		if want.Len() != got.Len() {
			return fmt.Errorf("%d elements came back as %d", want.Len(), got.Len())
		}
		if want.Kind() == reflect.Slice && want.Type().Elem().Kind() == reflect.Uint8 && bytes.Equal(want.Bytes(), got.Bytes()) {
			return nil
		}
		for i := range want.Len() {
			if err := codecSame(want.Index(i), got.Index(i)); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
	case reflect.Map:
		if want.Len() != got.Len() {
			return fmt.Errorf("%d entries came back as %d", want.Len(), got.Len())
		}
		for it := want.MapRange(); it.Next(); {
			x := got.MapIndex(it.Key())
			if !x.IsValid() {
				return fmt.Errorf("the key %q is missing", fmt.Sprint(it.Key()))
			}
			if err := codecSame(it.Value(), x); err != nil {
				return fmt.Errorf("[%q]: %w", fmt.Sprint(it.Key()), err)
			}
		}
	case reflect.Pointer:
		switch {
		case codecEmpty(want) && codecEmpty(got):
		case want.IsNil() != got.IsNil():
			return fmt.Errorf("a pointer that is nil: %v, came back as one that is nil: %v", want.IsNil(), got.IsNil())
		default:
			return codecSame(want.Elem(), got.Elem())
		}
	case reflect.Struct:
		for i := range want.NumField() {
			f := want.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if err := codecSame(want.Field(i), got.Field(i)); err != nil {
				return fmt.Errorf(".%s: %w", f.Name, err)
			}
		}
	case reflect.Interface:
		if got.Kind() != reflect.Interface || got.IsNil() {
			if codecEmpty(want) {
				return nil
			}
			return differs()
		}
		return codecSameAny(want.Elem(), got.Elem())
	default:
		if !want.Equal(got) {
			return differs()
		}
	}
	return nil
}

// codecEmpty tells whether v may come back as nil.
func codecEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return v.IsNil() || codecEmpty(v.Elem())
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return false
}

// codecSameAny compares what two interfaces hold. Bytes do not tell the type, so
// any number may stand for the same number, and any type for another of its kind; what
// a struct or an array becomes is not compared.
func codecSameAny(want, got reflect.Value) error {
	for want.Kind() == reflect.Pointer || want.Kind() == reflect.Interface {
		if want.IsNil() {
			return nil
		}
		want = want.Elem()
	}
	differs := func() error {
		return fmt.Errorf("the %s %s came back as the %s %s", want.Type(), codecText(want), got.Type(), codecText(got))
	}
	if want.Type() == timeType {
		if got.Type() != timeType {
			return differs()
		}
		return codecSame(want, got)
	}
	if a, ok := codecNumber(want); ok {
		b, ok := codecNumber(got)
		if !ok || (a == nil) != (b == nil) || a != nil && a.Cmp(b) != 0 {
			return differs()
		}
		return nil
	}
	if want.Kind() == reflect.Struct || want.Kind() == reflect.Array {
		return nil
	}
	if want.Kind() == reflect.Slice && want.Type().Elem().Kind() == reflect.Uint8 {
		if got.Kind() != reflect.Slice || got.Type().Elem().Kind() != reflect.Uint8 || !bytes.Equal(want.Bytes(), got.Bytes()) {
			return differs()
		}
		return nil
	}
	if want.Kind() != got.Kind() {
		return differs()
	}
	switch want.Kind() {
	case reflect.Slice, reflect.Map:
		if want.Kind() == reflect.Map && want.Type().Key() != got.Type().Key() {
			if want.Len() == 0 && got.Len() == 0 || want.Type().Key().Kind() != reflect.String {
				return nil
			}
			return differs()
		}
		return codecSame(want, got)
	}
	if !want.Equal(got.Convert(want.Type())) {
		return differs()
	}
	return nil
}

// codecNumber returns the number that v is, nil if it is NaN.
func codecNumber(v reflect.Value) (n *big.Float, ok bool) {
	n = new(big.Float).SetPrec(128)
	switch {
	case v.CanInt():
		return n.SetInt64(v.Int()), true
	case v.CanUint():
		return n.SetUint64(v.Uint()), true
	case v.CanFloat() && v.Float() != v.Float():
		return nil, true
	case v.CanFloat():
		return n.SetFloat64(v.Float()), true
	}
	return nil, false
}
