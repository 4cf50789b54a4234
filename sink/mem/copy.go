package mem

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/core"
)

// maxDepth bounds lists and maps within each other, so that a list that holds
// itself is refused.
const maxDepth = 64

func copyObject(o core.ObjectState) (core.ObjectState, error) {
	fields := o.Fields
	o.Fields = make([]core.Field, len(fields))
	for i, f := range fields {
		v, err := copyValue(f.Value, 0)
		if err != nil {
			return o, fmt.Errorf("field %q: %w", f.Name, err)
		}
		o.Fields[i] = core.Field{Name: f.Name, Value: v}
	}
	return o, nil
}

func copyEvent(e *core.Event) (*core.Event, error) {
	own := *e
	own.Time = e.Time.UTC().Round(0)
	if e.Data == nil {
		return &own, nil
	}
	data, err := copyValue(e.Data, 0)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	own.Data = data.(map[string]any)
	return &own, nil
}

// copyValue copies a value of the kinds that core.Field allows and refuses others.
func copyValue(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, core.Errorf(core.ErrUnsupported, "lists and maps nest deeper than %d levels, or hold themselves", maxDepth)
	}
	switch v := v.(type) {
	case nil, bool, int64, uint64, float64, string:
		return v, nil
	case []byte:
		return append([]byte{}, v...), nil
	case time.Time:
		return v.UTC().Round(0), nil
	case []any:
		own := make([]any, len(v))
		for i, x := range v {
			c, err := copyValue(x, depth+1)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			own[i] = c
		}
		return own, nil
	case map[string]any:
		own := make(map[string]any, len(v))
		for k, x := range v {
			c, err := copyValue(x, depth+1)
			if err != nil {
				return nil, fmt.Errorf("[%q]: %w", k, err)
			}
			own[k] = c
		}
		return own, nil
	}
	return nil, core.Errorf(core.ErrUnsupported, "a %T is no field value: make it one of those that core.Field lists", v)
}
