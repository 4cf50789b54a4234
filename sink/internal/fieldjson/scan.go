package fieldjson

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

// scanner reads a text from its beginning. After its first error it reads nothing
// more, and returns zeros.
type scanner struct {
	src    []byte
	at     int
	parser *Parser // knows names
	err    error
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		rest := s.src[s.at:]
		s.err = core.Errorf(core.ErrMalformed, "byte %d, at %.20q: %s", s.at, rest[:min(len(rest), 20)], what)
		s.at = len(s.src)
	}
}

func (s *scanner) rest() []byte { return s.src[s.at:] }

// next returns the next byte without reading it, 0 at the end.
func (s *scanner) next() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}

// take reads text if it comes next.
func (s *scanner) take(text string) bool {
	if len(s.src)-s.at < len(text) || string(s.src[s.at:s.at+len(text)]) != text {
		return false
	}
	s.at += len(text)
	return true
}

// lit reads text, which must come next.
func (s *scanner) lit(text string) {
	if !s.take(text) {
		s.fail("want " + text)
	}
}

// end wants nothing more.
func (s *scanner) end() error {
	if s.at < len(s.src) {
		s.fail("want the end")
	}
	return s.err
}

// more reads the beginning of a list or object, or what divides its parts, of which n
// were read. It is false behind the end, and after an error.
func (s *scanner) more(begin, end string, n int) bool {
	if n == 0 {
		s.lit(begin)
		return s.err == nil && !s.take(end)
	}
	if s.err != nil || s.take(end) {
		return false
	}
	s.lit(",")
	return s.err == nil
}

func (s *scanner) bool() bool {
	if s.take("true") {
		return true
	}
	s.lit("false")
	return false
}

// digits reads at least one digit.
func (s *scanner) digits() []byte {
	from := s.at
	for c := s.next(); c >= '0' && c <= '9'; c = s.next() {
		s.at++
	}
	if s.at == from {
		s.fail("want a digit")
	}
	return s.src[from:s.at]
}

// whole reads a whole number, without a zero before other digits.
func (s *scanner) whole() []byte {
	d := s.digits()
	if len(d) > 1 && d[0] == '0' {
		s.fail("want no zero before a number")
	}
	return d
}

// uint reads a plain number of so many bits, which is no value.
func (s *scanner) uint(bits int) uint64 {
	n, err := strconv.ParseUint(string(s.whole()), 10, bits)
	if err != nil {
		s.fail("want a number that fits")
	}
	return n
}

// int reads a plain number of 64 bits, which is no value.
func (s *scanner) int() int64 {
	from := s.at
	s.take("-")
	s.whole()
	if s.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(s.src[from:s.at]), 10, 64)
	if err != nil {
		s.fail("want a number that fits")
	}
	return n
}

// text reads a string, or the bytes of one.
func (s *scanner) text() string {
	if !s.take(`{"$string":"`) {
		return s.name()
	}
	b := s.base64()
	if utf8.Valid(b) {
		s.fail("a $string is for what is not UTF-8")
	}
	return string(b)
}

// name reads a string that comes often.
func (s *scanner) name() string {
	b, plain := s.quoted()
	if !plain {
		return s.unescape(b)
	}
	return s.parser.name(b)
}

func (s *scanner) string() string {
	b, plain := s.quoted()
	if !plain {
		return s.unescape(b)
	}
	return string(b)
}

// quoted reads a string and returns what is between its quotes, and whether that
// stands for itself.
func (s *scanner) quoted() (b []byte, plain bool) {
	s.lit(`"`)
	rest := s.rest()
	plain, ascii := true, true
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == '"':
			b = rest[:i]
			if !ascii && (!utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf && escaped(r) })) {
				s.fail("want UTF-8, and such control characters escaped")
				return nil, true
			}
			s.at += i + 1
			return b, plain
		case c == '\\':
			plain = false
			i++
		case c < ' ' || c == 0x7f:
			s.fail("want control characters escaped")
			return nil, true
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	s.fail("want the end of a string")
	return nil, true
}

func (s *scanner) unescape(b []byte) string {
	var out strings.Builder
	out.Grow(len(b))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			out.Write(b)
			break
		}
		out.Write(b[:i])
		b = b[i+1:]
		r, n := rune(b[0]), 1 // quoted saw that a byte follows
		switch b[0] {
		case '"', '\\':
		case 'n':
			r = '\n'
		case 'r':
			r = '\r'
		case 't':
			r = '\t'
		case 'u':
			x, err := strconv.ParseUint(string(b[1:min(5, len(b))]), 16, 16)
			if r, n = rune(x), 5; err != nil || len(b) < 5 || !escaped(r) {
				s.fail("want an escape that is needed")
				return ""
			}
		default:
			s.fail("want an escape that is needed")
			return ""
		}
		out.WriteRune(r)
		b = b[n:]
	}
	return out.String()
}

// base64 reads bytes and the end of the object that they are in.
func (s *scanner) base64() []byte {
	i := max(bytes.IndexByte(s.rest(), '"'), 0)
	b, err := base64.StdEncoding.Strict().AppendDecode([]byte{}, s.src[s.at:s.at+i])
	if err != nil || bytes.ContainsAny(s.src[s.at:s.at+i], "\r\n") {
		s.fail("want base64")
		return nil
	}
	s.at += i
	s.lit(`"}`)
	return b
}

// time reads a time that is a string, or counts from 1970.
func (s *scanner) time() time.Time {
	var t time.Time
	if s.take(`{"$unix":[`) {
		sec := s.int()
		s.lit(",")
		nsec := s.uint(32)
		s.lit("]}")
		if t = time.Unix(sec, int64(nsec)).UTC(); nsec >= 1e9 || plainTime(t) {
			s.fail("a $unix is for years that RFC 3339 has not")
		}
		return t
	}
	from := s.at
	b, _ := s.quoted()
	if s.err != nil {
		return t
	}
	t, err := time.Parse(timeLayout, string(b))
	if err != nil || len(b) != len(timeLayout) {
		s.at = from
		s.fail("want a time such as " + timeLayout)
	}
	return t
}
