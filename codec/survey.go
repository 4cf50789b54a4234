package codec

import (
	"reflect"
	"slices"
	"strings"
)

// survey looks through a type with generated methods for what such methods do
// badly.
type survey struct {
	gen  *generated
	path []reflect.Type
}

const drop = "drop the generated methods of the type, so that codec writes it itself, or"

func (s *survey) visit(t reflect.Type) (f *fault) {
	if t == timeType {
		return nil
	}
	if slices.Contains(s.path, t) {
		return unsupported("%s contains itself, and generated methods follow that without end: %s send a flat list with indices", t, drop)
	}
	s.path = append(s.path, t)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	switch t.Kind() {
	case reflect.Map:
		return unsupported("generated methods write a map in another order each time: %s use a sorted slice of pairs", drop)
	case reflect.Interface:
		return unsupported("generated methods write maps in an interface in another order each time: %s use a concrete type", drop)
	case reflect.Slice, reflect.Pointer:
		s.gen.unit = max(s.gen.unit, allocCost(int(t.Elem().Size())))
		if f := s.visit(t.Elem()); f != nil {
			return f.in("[]")
		}
	case reflect.Array:
		if f := s.visit(t.Elem()); f != nil {
			return f.in("[]")
		}
	case reflect.Struct:
		for i := range t.NumField() {
			sf := t.Field(i)
			name, options, _ := strings.Cut(sf.Tag.Get("msg"), ",")
			if name == "-" {
				continue
			}
			if strings.Contains(options, "zerocopy") {
				s.gen.borrowed = true
			}
			if f := s.visit(sf.Type); f != nil {
				return f.in("." + sf.Name)
			}
		}
	}
	return nil
}
