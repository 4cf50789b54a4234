package codec

import (
	"reflect"
	"slices"

	"github.com/tinylib/msgp/msgp"
)

var mapAnyType = reflect.TypeFor[map[string]any]()

// below appends what v, an interface or a map[string]any, holds.
func (e *encoder) below(v reflect.Value, depth int) *fault {
	outer := e.inAny
	e.inAny = true
	f := e.any(v.Interface(), depth)
	e.inAny = outer
	return f
}

// any appends what an interface holds: the usual types directly, all others
// through their plans.
func (e *encoder) any(v any, depth int) *fault {
	switch x := v.(type) {
	case nil:
		e.b = msgp.AppendNil(e.b)
	case bool:
		e.b = msgp.AppendBool(e.b, x)
	case string:
		return e.string(x)
	case int:
		e.b = appendInt(e.b, int64(x))
		e.cost += boxWord
	case int64:
		e.b = appendInt(e.b, x)
		e.cost += boxWord
	case uint64:
		e.b = msgp.AppendUint64(e.b, x)
		e.cost += boxWord
	case float64:
		e.b = msgp.AppendFloat64(e.b, oneNaN(x))
		e.cost += boxWord
	case map[string]any:
		return e.mapAny(x, depth+1)
	case []any:
		return e.listAny(x, depth+1)
	default:
		rv := reflect.ValueOf(v)
		p := planOf(rv.Type())
		if p.err != nil {
			f := unsupported("holds a %s", rv.Type())
			f.err = p.err
			return f
		}
		if p.op == opPointer {
			// An interface may hold a pointer to itself, so pointers count here.
			if depth++; depth > maxDepth {
				return cyclic()
			}
		}
		return e.value(p, rv, depth)
	}
	return nil
}

func (e *encoder) listAny(x []any, depth int) *fault {
	if x == nil {
		e.b = msgp.AppendNil(e.b)
		return nil
	}
	if depth > maxDepth {
		return cyclic()
	}
	if uint64(len(x)) > maxLen {
		return tooLong(len(x))
	}
	e.boxList(len(x))
	e.b = msgp.AppendArrayHeader(e.b, uint32(len(x)))
	for i, v := range x {
		if f := e.any(v, depth); f != nil {
			return f.at(i)
		}
	}
	return nil
}

func (e *encoder) mapAny(x map[string]any, depth int) *fault {
	if x == nil {
		e.b = msgp.AppendNil(e.b)
		return nil
	}
	if depth > maxDepth {
		return cyclic()
	}
	if uint64(len(x)) > maxLen {
		return tooLong(len(x))
	}
	e.cost += mapCost(stringSize, anySize, len(x))
	e.b = msgp.AppendMapHeader(e.b, uint32(len(x)))
	var few [16]string
	keys := few[:0]
	for k := range x {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if uint64(len(k)) > maxLen {
			return tooLong(len(k))
		}
		e.b = msgp.AppendString(e.b, k)
		e.cost += allocCost(len(k))
		if f := e.any(x[k], depth); f != nil {
			return f.key(k)
		}
	}
	return nil
}
