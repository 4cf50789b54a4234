package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// longest is how many characters of a value are shown.
const longest = 60

// valueText returns a value of a snapshot or event in one line that a terminal can
// take, whoever wrote it.
func valueText(v any) string {
	s := plainText(v)
	if utf8.RuneCountInString(s) <= longest {
		return s
	}
	runes := []rune(s)
	return string(runes[:longest-1]) + "…"
}

func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return textOf(v)
	case []byte:
		if len(v) > 16 {
			return fmt.Sprintf("%x… (%d bytes)", v[:16], len(v))
		}
		return fmt.Sprintf("%x", v)
	case float64:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			parts = append(parts, plainText(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, textOf(k)+":"+plainText(v[k]))
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return fmt.Sprint(v)
}

// textOf returns s as it is if it can be taken for nothing else, and quoted otherwise.
func textOf(s string) string {
	q := strconv.Quote(s)
	if q == `"`+s+`"` && s != "" && s != "-" && !strings.ContainsAny(s, " \t[]{}:") {
		return s
	}
	return q
}
