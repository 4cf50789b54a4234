package fieldjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

// MaxDepth is how deep lists and maps may nest within each other. It is also what
// ends a list that holds itself.
const MaxDepth = 64

// maxExact bounds the numbers that every reader of JSON keeps exactly: most keep a
// number as a float64.
const maxExact = 1 << 53

// timeLayout is RFC 3339 with all nanoseconds, so that texts sort as times do.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// Append appends the text of a value to dst. A value of a kind that core.Field does
// not list, or that nests too deep, is an error that wraps core.ErrUnsupported and
// says where it is; dst is then returned as it was.
func Append(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return dst, core.Errorf(core.ErrUnsupported, "lists and maps nest deeper than %d levels, or hold themselves", MaxDepth)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		if v >= -maxExact && v <= maxExact {
			return strconv.AppendInt(dst, v, 10), nil
		}
		dst = append(dst, `{"$int":"`...)
		return append(strconv.AppendInt(dst, v, 10), `"}`...), nil
	case uint64:
		if v <= maxExact {
			return append(strconv.AppendUint(dst, v, 10), "e0"...), nil
		}
		dst = append(dst, `{"$uint":"`...)
		return append(strconv.AppendUint(dst, v, 10), `"}`...), nil
	case float64:
		return appendFloat(dst, v), nil
	case string:
		return appendText(dst, v), nil
	case []byte:
		return appendBase64(append(dst, `{"$bytes":"`...), v), nil
	case time.Time:
		if plainTime(v) {
			return append(appendTime(append(dst, `{"$time":`...), v), '}'), nil
		}
		return appendTime(dst, v), nil
	case []any:
		return appendList(dst, v, depth)
	case map[string]any:
		return appendMap(dst, v, depth)
	}
	return dst, core.Errorf(core.ErrUnsupported, "a %T is no field value: make it one of those that core.Field lists", v)
}

func appendList(dst []byte, list []any, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for i, x := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendValue(dst, x, depth+1); err != nil {
			return dst, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

func appendMap(dst []byte, m map[string]any, depth int) ([]byte, error) {
	keys := make([]string, 0, 16) // stays on the stack for most maps
	plain := true
	for k := range m {
		keys = append(keys, k)
		plain = plain && plainKey(k)
	}
	slices.Sort(keys)
	begin, between, end := "{", ':', "}"
	if !plain {
		begin, between, end = `{"$map":[`, ',', "]}"
	}
	dst = append(dst, begin...)
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !plain {
			dst = append(dst, '[')
		}
		dst = append(appendText(dst, k), byte(between))
		var err error
		if dst, err = appendValue(dst, m[k], depth+1); err != nil {
			return dst, fmt.Errorf("[%q]: %w", k, err)
		}
		if !plain {
			dst = append(dst, ']')
		}
	}
	return append(dst, end...), nil
}

// plainKey tells whether a map with this key can be a JSON object.
func plainKey(k string) bool { return !strings.HasPrefix(k, "$") && utf8.ValidString(k) }

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `{"$float":"NaN"}`...)
	case math.IsInf(f, 1):
		return append(dst, `{"$float":"+Inf"}`...)
	case math.IsInf(f, -1):
		return append(dst, `{"$float":"-Inf"}`...)
	}
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		from := len(dst)
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if e := from + slices.Index(dst[from:], 'e'); !slices.Contains(dst[from:e], '.') {
			dst = slices.Insert(dst, e, '.', '0')
		}
		return dst
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[from:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendText appends a string: as such if it is UTF-8, else as its bytes.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return appendBase64(append(dst, `{"$string":"`...), []byte(s))
	}
	dst = append(dst, '"')
	from := 0 // of what is still to be copied
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if escaped(r) {
			dst = appendEscape(append(dst, s[from:i]...), r)
			from = i + size
		}
		i += size
	}
	return append(append(dst, s[from:]...), '"')
}

// escaped tells which characters are not written as they are: those that JSON
// forbids, and those that some tools take for the end of a line or for a command to
// a terminal.
func escaped(r rune) bool {
	return r < ' ' || r == '"' || r == '\\' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
}

func appendEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// appendBase64 appends the bytes and the end of the object that they are in.
func appendBase64(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(dst, b), `"}`...)
}

// plainTime tells whether RFC 3339 has a text for t.
func plainTime(t time.Time) bool { y := t.UTC().Year(); return y >= 0 && y <= 9999 }

func appendTime(dst []byte, t time.Time) []byte {
	if !plainTime(t) {
		dst = strconv.AppendInt(append(dst, `{"$unix":[`...), t.Unix(), 10)
		dst = strconv.AppendInt(append(dst, ','), int64(t.Nanosecond()), 10)
		return append(dst, "]}"...)
	}
	return append(t.UTC().AppendFormat(append(dst, '"'), timeLayout), '"')
}
