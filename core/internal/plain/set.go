package plain

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/parley-net/parley/core"
)

// Set gives dst, which can be set, the value that Of made x of. What does not fit
// exactly is an error, which says where in x and wraps core.ErrMalformed; dst may
// then have changed in part. dst shares no memory with x.
func Set(dst reflect.Value, x any) error { return set(dst, x, 0) }

func set(dst reflect.Value, x any, depth int) error {
	if depth > maxDepth {
		return core.Errorf(core.ErrMalformed, "nested deeper than %d levels", maxDepth)
	}
	kind := dst.Kind()
	if x == nil {
		switch kind {
		case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
			dst.SetZero()
			return nil
		}
		return unfit(dst, x)
	}
	switch kind {
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if err := set(p.Elem(), x, depth+1); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	case reflect.Interface:
		if dst.NumMethod() > 0 {
			return unfit(dst, x)
		}
		dst.Set(reflect.ValueOf(Clone(x)))
		return nil
	}
	switch x := x.(type) {
	case bool:
		if kind == reflect.Bool {
			dst.SetBool(x)
			return nil
		}
	case int64:
		if dst.CanInt() && !dst.OverflowInt(x) {
			dst.SetInt(x)
			return nil
		}
	case uint64:
		if dst.CanUint() && kind != reflect.Uintptr && !dst.OverflowUint(x) {
			dst.SetUint(x)
			return nil
		}
	case float64:
		if dst.CanFloat() {
			if dst.SetFloat(x); dst.Float() == x || x != x {
				return nil
			}
		}
	case string:
		if kind == reflect.String {
			dst.SetString(x)
			return nil
		}
	case time.Time:
		if isTime(dst.Type()) {
			dst.Set(reflect.ValueOf(x).Convert(dst.Type()))
			return nil
		}
	case []byte:
		return setBytes(dst, x)
	case []any:
		return setList(dst, x, depth)
	case map[string]any:
		if kind == reflect.Map {
			return setMap(dst, x, depth)
		}
		if kind == reflect.Struct && !isTime(dst.Type()) {
			return setStruct(dst, x, depth)
		}
	}
	return unfit(dst, x)
}

func setBytes(dst reflect.Value, x []byte) error {
	switch kind := dst.Kind(); {
	case kind == reflect.String && !IsText(string(x)):
		dst.SetString(string(x))
	case kind == reflect.Slice && isBytes(dst.Type()):
		dst.SetBytes(append([]byte{}, x...))
	case kind == reflect.Array && isBytes(dst.Type()) && dst.Len() == len(x):
		for i := range x {
			dst.Index(i).SetUint(uint64(x[i]))
		}
	default:
		return unfit(dst, x)
	}
	return nil
}

func setList(dst reflect.Value, x []any, depth int) error {
	switch kind := dst.Kind(); {
	case kind == reflect.Slice && !isBytes(dst.Type()):
		dst.Set(reflect.MakeSlice(dst.Type(), len(x), len(x)))
	case kind == reflect.Array && !isBytes(dst.Type()) && dst.Len() == len(x):
	default:
		return unfit(dst, x)
	}
	for i := range x {
		if err := set(dst.Index(i), x[i], depth+1); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func setMap(dst reflect.Value, x map[string]any, depth int) error {
	t := dst.Type()
	m := reflect.MakeMapWithSize(t, len(x))
	for key, v := range x {
		k, e := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if err := setKey(k, key); err != nil {
			return err
		}
		if err := set(e, v, depth+1); err != nil {
			return fmt.Errorf("[%q]: %w", key, err)
		}
		m.SetMapIndex(k, e)
	}
	dst.Set(m)
	return nil
}

func setKey(k reflect.Value, key string) error {
	switch {
	case k.Kind() == reflect.String:
		k.SetString(key)
		return nil
	case k.CanInt():
		if i, err := strconv.ParseInt(key, 10, k.Type().Bits()); err == nil {
			k.SetInt(i)
			return nil
		}
	case k.CanUint() && k.Kind() != reflect.Uintptr:
		if i, err := strconv.ParseUint(key, 10, k.Type().Bits()); err == nil {
			k.SetUint(i)
			return nil
		}
	}
	return core.Errorf(core.ErrMalformed, "the key %q is no %s", key, k.Type())
}

func setStruct(dst reflect.Value, x map[string]any, depth int) error {
	t := dst.Type()
	found := 0
	for i := range t.NumField() {
		f := t.Field(i)
		if !travels(f) {
			continue
		}
		v, ok := x[f.Name]
		if !ok {
			return core.Errorf(core.ErrMalformed, "%s of %s is missing", f.Name, t)
		}
		found++
		if err := set(dst.Field(i), v, depth+1); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if found == len(x) {
		return nil
	}
	for key := range x {
		if f, ok := t.FieldByName(key); !ok || len(f.Index) != 1 || !travels(f) {
			return core.Errorf(core.ErrMalformed, "%s has no field %s", t, key)
		}
	}
	return unfit(dst, x)
}

func unfit(dst reflect.Value, x any) error {
	return core.Errorf(core.ErrMalformed, "want %s, found %s", dst.Type(), describe(x))
}

// describe says in a few words what x is.
func describe(x any) string {
	switch x := x.(type) {
	case nil:
		return "nothing"
	case []byte:
		return fmt.Sprintf("%d bytes", len(x))
	case []any:
		return fmt.Sprintf("a list of %d", len(x))
	case map[string]any:
		return fmt.Sprintf("a map of %d", len(x))
	case string:
		return fmt.Sprintf("the text %.60q", x)
	}
	return fmt.Sprintf("the %T %v", x, x)
}
