// Package plain turns Go values into values of core.Field, which any tool can read,
// and back.
//
//	bool, string, time.Time            as they are
//	int…, time.Duration                int64
//	uint…                              uint64
//	float…                             float64
//	[]byte, [N]byte                    []byte
//	other slices and arrays            []any
//	maps keyed by strings or integers  map[string]any
//	structs                            map[string]any of their exported fields
//	pointers, any                      what they hold
//
// Nil slices, maps, pointers and interfaces are nil. Text that is not UTF-8, or has
// a zero byte, is []byte, since a store may refuse it as text.
package plain

import (
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDepth bounds values within each other, so that a value that holds itself is
// refused.
const maxDepth = 64

var timeType = reflect.TypeFor[time.Time]()

// IsText reports whether any store takes s as text, and as the key of a map.
func IsText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Text makes text of s, with a replacement for what is none.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "�"), "\x00", "�")
}

// travels reports whether a field of a struct is part of its value.
func travels(f reflect.StructField) bool {
	if f.Tag.Get("parley") == "-" || f.Name == "_" {
		return false
	}
	return f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct
}

// isTime reports whether t is time.Time or a named form of it.
func isTime(t reflect.Type) bool { return t.Kind() == reflect.Struct && t.ConvertibleTo(timeType) }

// isBytes reports whether t is a slice or an array of bytes.
func isBytes(t reflect.Type) bool { return t.Elem().Kind() == reflect.Uint8 }
