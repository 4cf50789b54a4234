package mongo

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-net/parley/core"
)

const (
	// maxKey bounds the part of an _id that stands for the match, in bytes. It leaves
	// the names of collections room for what MongoDB takes: 255 bytes with the database.
	maxKey = 128
	// cutKey is where the key of a longer name is cut, before a hash.
	cutKey = 100
	// maxCollection bounds the name of a collection in bytes.
	maxCollection = 190
)

// matchesName is the collection that says which matches there are, and where.
const matchesName = "game-matches"

// stamp is how the engine ends the name of a match: with its start. dateStamp is the
// same time in the name of a collection.
const (
	stamp     = "-20060102T150405.000000000Z"
	dateStamp = "2006-01-02T15:04:05.000000000Z"
)

// escape returns s with every byte of which odd is true as % and two hex digits, and %
// for an empty s. It is one for one: no two s give the same.
func escape(s string, odd func(s string, i int) bool) string {
	if s == "" {
		return "%"
	}
	i := 0
	for i < len(s) && s[i] != '%' && !odd(s, i) {
		i++
	}
	if i == len(s) {
		return s
	}
	const hexDigits = "0123456789ABCDEF"
	b := append(make([]byte, 0, len(s)+8), s[:i]...)
	for ; i < len(s); i++ {
		if c := s[i]; c == '%' || odd(s, i) {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// unescape undoes escape; ok is false for what escape never returns.
func unescape(s string) (name string, ok bool) {
	if s == "%" {
		return "", true
	}
	if !strings.Contains(s, "%") {
		return s, s != ""
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		var c [1]byte
		if _, err := hex.Decode(c[:], []byte(s[i+1:i+3])); err != nil {
			return "", false
		}
		b = append(b, c[0])
		i += 2
	}
	return string(b), true
}

// notUTF8 tells whether the byte at i belongs to no character.
func notUTF8(s string, i int) bool {
	if s[i] < utf8.RuneSelf {
		return false
	}
	from := i
	for from > 0 && i-from < utf8.UTFMax-1 && !utf8.RuneStart(s[from]) {
		from--
	}
	r, size := utf8.DecodeRuneInString(s[from:])
	return r == utf8.RuneError && size <= 1 || from+size <= i
}

// oddField tells which bytes a name inside a document does not have: queries cannot
// reach a field with a dot or one that begins with $, updates take them for commands,
// and some servers move _id to the front.
func oddField(s string, i int) bool {
	switch s[i] {
	case 0, '.':
		return true
	case '$':
		return i == 0
	case '_':
		return i == 0 && s == "_id"
	}
	return notUTF8(s, i)
}

// oddKey tells which bytes the key of a match does not have: those that no collection's
// name may have there, those that end the key, and those that are awkward in a shell.
func oddKey(s string, i int) bool {
	switch c := s[i]; {
	case c < ' ' || c == 0x7f || c == '/' || c == '$' || c == '"' || c == '\\':
		return true
	case c == '.':
		return i+1 == len(s) || s[i+1] == '.'
	}
	return notUTF8(s, i)
}

// keyOf returns what stands for a match in an _id: its name, in most cases.
func keyOf(match string) string {
	if len(match) <= maxKey {
		if key := escape(match, oddKey); len(key) <= maxKey {
			return key
		}
	}
	// A ~ and 24 digits behind % cannot come from escape. Of the name, whole characters.
	cut := match[:min(len(match), cutKey/3)]
	for len(cut) > 0 && notUTF8(cut, len(cut)-1) && !notUTF8(match, len(cut)-1) {
		cut = cut[:len(cut)-1]
	}
	sum := sha256.Sum256([]byte(match))
	return escape(cut, oddKey) + "%~" + hex.EncodeToString(sum[:12])
}

// startOf returns when a match began, and what its name says beside that: the engine
// puts the start at the end of the name. Of another match it is the time of the first
// record that comes.
func startOf(match string, first time.Time) (start time.Time, rest string) {
	if at := len(match) - len(stamp); at >= 0 {
		t, err := time.Parse(stamp, match[at:])
		if err == nil && t.Format(stamp) == match[at:] {
			return t, match[:at]
		}
	}
	return first.UTC().Round(0), match
}

// defaultCollections names the two collections of a match by its start and, so that
// matches with the same start stay apart, by the rest of its name.
func defaultCollections(match string, first time.Time) (state, events string) {
	start, rest := startOf(match, first)
	name := start.Format(dateStamp)
	if rest != "" {
		name += " " + keyOf(rest)
	}
	return "game-state " + name, "server-events " + name
}

// checkCollection refuses a name that is no name of a collection.
func checkCollection(name string) error {
	switch {
	case name == "", len(name) > maxCollection, !utf8.ValidString(name), strings.ContainsAny(name, "$\x00"),
		strings.HasPrefix(name, "system."), strings.HasPrefix(name, "."), strings.HasSuffix(name, "."), strings.Contains(name, ".."):
		return core.Errorf(core.ErrMalformed, "mongo: Config.Collections returned the name %.200q: want 1 to %d bytes of text, without $, with no dot at an end or beside another, and not beginning with system.", name, maxCollection)
	case name == matchesName:
		return core.Errorf(core.ErrMalformed, "mongo: Config.Collections returned the name %q, which is taken for the list of matches: choose another", name)
	}
	return nil
}

// id is what tells the records of a match apart: the epoch, and the tick of a snapshot
// or the number of an event.
type id struct{ epoch, n uint64 }

// appendID appends an _id. As texts they sort as their numbers do.
func appendID(dst []byte, key string, i id) []byte {
	dst = append(append(dst, key...), '/')
	dst = append(appendDigits(dst, i.epoch), '/')
	return appendDigits(dst, i.n)
}

func (i id) of(key string) string { return string(appendID(make([]byte, 0, len(key)+42), key, i)) }

// appendDigits appends n with 20 digits.
func appendDigits(dst []byte, n uint64) []byte {
	var d [20]byte
	for i := len(d) - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, d[:]...)
}
