package state

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-net/parley/core/internal/shape"
)

// walk collects the fields of t, those of embedded structs among them, and returns
// how many Objects it found embedded.
func (c *class) walk(t reflect.Type, at []int, errs *[]error) (objects int) {
	fail := func(format string, args ...any) { *errs = append(*errs, fmt.Errorf("parley: "+format, args...)) }
	for f := range t.Fields() {
		index := append(slices.Clone(at), f.Index...)
		name := c.name + "." + f.Name
		tag := f.Tag.Get("parley")
		embedded := f.Anonymous && f.Type.Kind() == reflect.Struct
		switch {
		case f.Type == objectType && f.Anonymous:
			objects++
		case tag == "-" || f.Name == "_":
		case isField(f.Type) && f.IsExported():
			c.addField(name, f, index, tag, errs)
		case isField(f.Type):
			fail("%s synchronizes only if its name is exported (or keep it at home with `parley:\"-\"`)", name)
		case embedded && (!f.IsExported() || reaches(f.Type, isField, false) || isEntity(f.Type)):
			objects += c.walk(f.Type, index, errs)
		case !f.IsExported() && reaches(f.Type, isField, false):
			fail("%s holds a Var or Position2D, but its name is not exported (keep it at home with `parley:\"-\"`)", name)
		case !f.IsExported():
		case reaches(f.Type, isEntity, true):
			fail("%s is or holds a shared object, which does not travel inside another: use state.Ref (or keep it at home with `parley:\"-\"`)", name)
		case reaches(f.Type, isField, true):
			fail("%s holds a Var or Position2D, which synchronizes only as a field of the object itself or of a struct embedded in it", name)
		default:
			if tag != "" {
				fail("%s: unknown tag `parley:%q`", name, tag)
			}
			c.plain = append(c.plain, fieldDef{name: name, index: index, typ: f.Type})
			c.lines = append(c.lines, fmt.Sprintf("%s: %s at spawn", name, shape.Of(f.Type)))
		}
	}
	return objects
}

func (c *class) addField(name string, f reflect.StructField, index []int, tag string, errs *[]error) {
	s := reflect.New(f.Type).Interface().(field).shape()
	def := fieldDef{name: name, index: index, typ: f.Type, col: colFields + c.cols, cols: max(1, len(s.sizes)), blob: -1}
	if s.sizes == nil {
		def.blob = c.blobs
		c.blobs++
		c.blobCols = append(c.blobCols, def.col)
	}
	if s.elem != nil && reaches(s.elem, isEntity, true) {
		*errs = append(*errs, fmt.Errorf("parley: %s: a variable holds no shared object: use a Var of state.Ref", name))
	}
	line := name + ": " + s.desc
	if tag != "" {
		q, found := strings.CutPrefix(tag, "quantum=")
		v, err := strconv.ParseFloat(q, 64)
		if !found || err != nil || !(v > 0) || math.IsInf(v, 0) || !s.float {
			*errs = append(*errs, fmt.Errorf("parley: %s: tag `parley:%q`: want quantum=NUMBER above 0, on a Var of a float", name, tag))
		}
		def.quantum = v
		line += " in steps of " + strconv.FormatFloat(v, 'g', -1, 64)
	}
	c.cols += def.cols
	for sub := range def.cols {
		c.at = append(c.at, colField{field: len(c.fields), sub: sub, blob: def.blob})
	}
	c.fields = append(c.fields, def)
	c.lines = append(c.lines, line)
}

// isField reports whether t is a Var or Position2D itself. A struct that embeds one
// has its methods, but is not.
func isField(t reflect.Type) bool {
	return t == positionType || t.PkgPath() == objectType.PkgPath() && strings.HasPrefix(t.Name(), "Var[")
}

// isEntity reports whether t is Object, embeds it, or is an interface of objects.
func isEntity(t reflect.Type) bool {
	return t.Kind() == reflect.Interface && t.Implements(entityType) || reflect.PointerTo(t).Implements(entityType)
}

// reaches reports whether is holds for t or a type inside it; with travel, for one
// that would travel with it: of an exported field, or behind a pointer or map.
func reaches(t reflect.Type, is func(reflect.Type) bool, travel bool) bool {
	seen := make(map[reflect.Type]bool)
	var visit func(t reflect.Type) bool
	visit = func(t reflect.Type) bool {
		if seen[t] {
			return false
		}
		seen[t] = true
		if is(t) {
			return true
		}
		switch t.Kind() {
		case reflect.Array, reflect.Slice:
			return visit(t.Elem())
		case reflect.Pointer:
			return travel && visit(t.Elem())
		case reflect.Map:
			return travel && (visit(t.Key()) || visit(t.Elem()))
		case reflect.Struct:
			for f := range t.Fields() {
				if tag := f.Tag.Get("parley"); tag != "-" && (!travel || f.IsExported() || f.Anonymous) && visit(f.Type) {
					return true
				}
			}
		}
		return false
	}
	return visit(t)
}
