package plain

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/parley-net/parley/core"
)

// Of returns v as a value of core.Field, which shares no memory with v. The error,
// which says where in v, wraps core.ErrUnsupported.
func Of(v reflect.Value) (any, error) { return of(v, 0) }

func of(v reflect.Value, depth int) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	if depth > maxDepth {
		return nil, core.Errorf(core.ErrUnsupported, "nested deeper than %d levels, or holds itself", maxDepth)
	}
	switch t := v.Type(); {
	case v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case v.CanInt():
		return v.Int(), nil
	case v.CanUint() && v.Kind() != reflect.Uintptr:
		return v.Uint(), nil
	case v.CanFloat():
		return v.Float(), nil
	case v.Kind() == reflect.String:
		if s := v.String(); !IsText(s) {
			return []byte(s), nil
		}
		return v.String(), nil
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface:
		return of(v.Elem(), depth+1)
	case v.Kind() == reflect.Array && isBytes(t):
		own := reflect.New(t) // an array that can be addressed
		own.Elem().Set(v)
		return own.Elem().Bytes(), nil
	case v.Kind() == reflect.Slice && v.IsNil() || v.Kind() == reflect.Map && v.IsNil():
		return nil, nil
	case v.Kind() == reflect.Slice && isBytes(t):
		return append([]byte{}, v.Bytes()...), nil
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		return listOf(v, depth)
	case v.Kind() == reflect.Map:
		return mapOf(v, depth)
	case isTime(t):
		return v.Convert(timeType).Interface().(time.Time).UTC().Round(0), nil
	case v.Kind() == reflect.Struct:
		return structOf(v, depth)
	}
	return nil, core.Errorf(core.ErrUnsupported, "a %s is no value that a store can hold", v.Type())
}

func listOf(v reflect.Value, depth int) (any, error) {
	list := make([]any, v.Len())
	for i := range list {
		var err error
		if list[i], err = of(v.Index(i), depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return list, nil
}

func mapOf(v reflect.Value, depth int) (any, error) {
	m := make(map[string]any, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := keyOf(it.Key())
		if err != nil {
			return nil, err
		}
		if m[key], err = of(it.Value(), depth+1); err != nil {
			return nil, fmt.Errorf("[%q]: %w", key, err)
		}
	}
	return m, nil
}

func keyOf(k reflect.Value) (string, error) {
	switch {
	case k.Kind() == reflect.String && IsText(k.String()):
		return k.String(), nil
	case k.Kind() == reflect.String:
		return "", core.Errorf(core.ErrUnsupported, "the key %q is no text", k.String())
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint() && k.Kind() != reflect.Uintptr:
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", core.Errorf(core.ErrUnsupported, "a %s is no key that a store can hold", k.Type())
}

func structOf(v reflect.Value, depth int) (any, error) {
	t := v.Type()
	m := make(map[string]any, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if !travels(f) {
			continue
		}
		x, err := of(v.Field(i), depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		m[f.Name] = x
	}
	if len(m) == 0 && t.NumField() > 0 {
		return nil, core.Errorf(core.ErrUnsupported, "a %s exports no field", t)
	}
	return m, nil
}

// Clone returns a deep copy of a value of core.Field.
func Clone(x any) any {
	switch x := x.(type) {
	case []byte:
		return append([]byte{}, x...)
	case []any:
		own := make([]any, len(x))
		for i := range x {
			own[i] = Clone(x[i])
		}
		return own
	case map[string]any:
		own := make(map[string]any, len(x))
		for k, v := range x {
			own[k] = Clone(v)
		}
		return own
	}
	return x
}
