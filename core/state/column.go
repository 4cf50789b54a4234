package state

import (
	"math"
	"reflect"
)

// Numbers of every kind live in int64 columns: integers as they are, floats as
// their bits, bools as 0 and 1, references as ids. What fits no column is a blob,
// whose column holds the version.

// A float with a quantum is the number of its steps, at most maxSteps of them, so
// that each is a float64 exactly.
const (
	maxSteps  = 1 << 53
	stepsSize = 8 // bytes that the difference of two takes on the wire at most
)

// steps returns x as a number of quanta. NaN counts as 0, and what is too large is
// cut.
func steps(x, quantum float64) int64 {
	if x != x {
		return 0
	}
	return int64(math.Round(max(-maxSteps, min(maxSteps, x/quantum))))
}

// toFloat reads *p, a float or a named form of one.
func toFloat[T any](p *T) float64 {
	switch x := any(p).(type) {
	case *float64:
		return *x
	case *float32:
		return float64(*x)
	}
	return reflect.ValueOf(p).Elem().Float()
}

// fromFloat writes *p.
func fromFloat[T any](p *T, f float64) {
	switch x := any(p).(type) {
	case *float64:
		*x = f
	case *float32:
		*x = float32(f)
	default:
		reflect.ValueOf(p).Elem().SetFloat(f)
	}
}

// columnSize returns how many bytes the difference of two values of a column can
// take on the wire at most, or 0 if t is no number.
func columnSize(t reflect.Type) int {
	if isRef(t) {
		return 5
	}
	switch t.Kind() {
	case reflect.Bool:
		return 1
	case reflect.Int8, reflect.Uint8:
		return 2
	case reflect.Int16, reflect.Uint16:
		return 3
	case reflect.Int32, reflect.Uint32, reflect.Float32:
		return 5
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64, reflect.Float64:
		return 10
	}
	return 0
}

// toColumn reads *p. The cases are the common types; named ones take the
// reflective way, which allocates nothing either.
func toColumn[T any](p *T) int64 {
	switch x := any(p).(type) {
	case *int:
		return int64(*x)
	case *int32:
		return int64(*x)
	case *int64:
		return *x
	case *uint8:
		return int64(*x)
	case *uint32:
		return int64(*x)
	case *uint64:
		return int64(*x)
	case *bool:
		if *x {
			return 1
		}
		return 0
	case *float32:
		return int64(math.Float32bits(*x))
	case *float64:
		return int64(math.Float64bits(*x))
	case refColumn:
		return int64(*x.refID())
	}
	v := reflect.ValueOf(p).Elem()
	switch {
	case v.CanInt():
		return v.Int()
	case v.CanUint():
		return int64(v.Uint())
	case v.Kind() == reflect.Bool:
		if v.Bool() {
			return 1
		}
		return 0
	case v.Kind() == reflect.Float32:
		return int64(math.Float32bits(float32(v.Float())))
	}
	return int64(math.Float64bits(v.Float()))
}

// fromColumn writes *p. A column that a broken peer filled with more than the
// type holds is cut, as a Go conversion does.
func fromColumn[T any](p *T, c int64) {
	switch x := any(p).(type) {
	case *int:
		*x = int(c)
	case *int32:
		*x = int32(c)
	case *int64:
		*x = c
	case *uint8:
		*x = uint8(c)
	case *uint32:
		*x = uint32(c)
	case *uint64:
		*x = uint64(c)
	case *bool:
		*x = c != 0
	case *float32:
		*x = math.Float32frombits(uint32(c))
	case *float64:
		*x = math.Float64frombits(uint64(c))
	case refColumn:
		*x.refID() = ObjectID(c)
	default:
		v := reflect.ValueOf(p).Elem()
		switch {
		case v.CanInt():
			v.SetInt(c)
		case v.CanUint():
			v.SetUint(uint64(c))
		case v.Kind() == reflect.Bool:
			v.SetBool(c != 0)
		case v.Kind() == reflect.Float32:
			v.SetFloat(float64(math.Float32frombits(uint32(c))))
		default:
			v.SetFloat(math.Float64frombits(uint64(c)))
		}
	}
}
