// Package shape describes Go types in words that do not depend on where a type is
// declared, so that two builds can compare what they would send each other.
package shape

import (
	"reflect"
	"strconv"
	"strings"
)

// Of returns a description of t: "int", "[]string", "{Kind string, Power int32}".
// Two types with equal descriptions have equal encodings; a type inside itself is
// given by its name.
func Of(t reflect.Type) string {
	var b strings.Builder
	write(&b, t, nil)
	return b.String()
}

func write(b *strings.Builder, t reflect.Type, outer []reflect.Type) {
	for _, o := range outer {
		if o == t && t.Name() != "" { // a type inside itself passes by a name
			b.WriteString(t.Name())
			return
		}
	}
	if t.Name() != "" && t.PkgPath() == "time" {
		b.WriteString("time." + t.Name())
		return
	}
	outer = append(outer, t)
	switch t.Kind() {
	case reflect.Pointer:
		b.WriteByte('*')
		write(b, t.Elem(), outer)
	case reflect.Slice:
		b.WriteString("[]")
		write(b, t.Elem(), outer)
	case reflect.Array:
		b.WriteString("[" + strconv.Itoa(t.Len()) + "]")
		write(b, t.Elem(), outer)
	case reflect.Map:
		b.WriteString("map[")
		write(b, t.Key(), outer)
		b.WriteByte(']')
		write(b, t.Elem(), outer)
	case reflect.Struct:
		b.WriteByte('{')
		first := true
		for f := range t.Fields() {
			inline := !f.IsExported() && f.Anonymous && f.Type.Kind() == reflect.Struct
			if !f.IsExported() && !inline || f.Tag.Get("parley") == "-" || f.Tag.Get("msg") == "-" {
				continue
			}
			if !first {
				b.WriteString(", ")
			}
			first = false
			if !inline { // else its fields travel, and nobody sees its name
				b.WriteString(f.Name + " ")
			}
			write(b, f.Type, outer)
		}
		b.WriteByte('}')
	case reflect.Interface:
		b.WriteString("any")
	default:
		b.WriteString(t.Kind().String())
	}
}
