package fieldjson

import (
	"math"
	"strconv"
	"strings"
)

// Parse parses all of src as the text of one value.
func Parse(src []byte) (any, error) {
	s := scanner{src: src, parser: new(Parser)}
	v := s.value(0)
	if err := s.end(); err != nil {
		return nil, err
	}
	return v, nil
}

// value reads a value.
func (s *scanner) value(depth int) any {
	if depth > MaxDepth {
		s.fail("lists and maps nest too deep")
	}
	switch c := s.next(); {
	case s.err != nil:
	case c == '"':
		return s.string()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == '[':
		list := []any{}
		for s.more("[", "]", len(list)) {
			list = append(list, s.value(depth+1))
		}
		return list
	case c == '{':
		return s.object(depth)
	case c == 't' || c == 'f':
		return s.bool()
	default:
		s.lit("null")
	}
	return nil
}

// number reads one of the three kinds.
func (s *scanner) number() (v any) {
	from := s.at
	negative := s.take("-")
	whole := s.whole()
	var err error
	switch {
	case s.err != nil:
		return nil
	case s.take("."):
		s.digits()
		if s.take("e+") || s.take("e-") {
			s.digits()
		}
		if s.err == nil {
			v, err = strconv.ParseFloat(string(s.src[from:s.at]), 64)
		}
	case !negative && s.take("e0"):
		v, err = strconv.ParseUint(string(whole), 10, 64)
	default:
		v, err = strconv.ParseInt(string(s.src[from:s.at]), 10, 64)
	}
	if err != nil {
		s.fail("want a number that fits")
	}
	return v
}

// object reads a map, or what has a form that begins with $.
func (s *scanner) object(depth int) any {
	if string(s.rest()[:min(3, len(s.rest()))]) != `{"$` {
		return s.members(depth)
	}
	var v any
	switch {
	case s.take(`{"$int":"`):
		v = s.int()
		s.lit(`"}`)
	case s.take(`{"$uint":"`):
		v = s.uint(64)
		s.lit(`"}`)
	case s.take(`{"$float":"NaN"}`):
		v = math.NaN()
	case s.take(`{"$float":"+Inf"}`):
		v = math.Inf(1)
	case s.take(`{"$float":"-Inf"}`):
		v = math.Inf(-1)
	case s.take(`{"$bytes":"`):
		v = s.base64()
	case s.take(`{"$time":`):
		if s.next() != '"' {
			s.fail("want a time")
		}
		v = s.time()
		s.lit("}")
	case s.take(`{"$map":`):
		v = s.pairs(depth)
		s.lit("}")
	case strings.HasPrefix(string(s.rest()[:min(9, len(s.rest()))]), `{"$unix":`):
		v = s.time()
	default:
		v = s.text()
	}
	return v
}

// mapOnly reads a value that must be a map.
func (s *scanner) mapOnly() map[string]any {
	if s.next() != '{' {
		s.fail("want a map")
		return nil
	}
	m, ok := s.object(0).(map[string]any)
	if !ok {
		s.fail("want a map")
	}
	return m
}

// members reads a map that is a JSON object.
func (s *scanner) members(depth int) map[string]any {
	m, last := map[string]any{}, ""
	for s.more("{", "}", len(m)) {
		key := s.text()
		s.lit(":")
		s.ascend(&last, key, len(m))
		if !plainKey(key) {
			s.fail("such a key needs a $map")
		}
		m[key] = s.value(depth + 1)
	}
	return m
}

// pairs reads a map that is a list of keys and values.
func (s *scanner) pairs(depth int) map[string]any {
	m, last, plain := map[string]any{}, "", true
	for s.more("[", "]", len(m)) {
		s.lit("[")
		key := s.text()
		s.lit(",")
		s.ascend(&last, key, len(m))
		plain = plain && plainKey(key)
		m[key] = s.value(depth + 1)
		s.lit("]")
	}
	if plain {
		s.fail("a $map needs a key that is not plain")
	}
	return m
}

// ascend wants key to come behind the last one.
func (s *scanner) ascend(last *string, key string, n int) {
	if n > 0 && key <= *last {
		s.fail("want keys in ascending order")
	}
	*last = key
}
