package file

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"
)

const (
	suffix  = ".jsonl"
	maxName = 200 // bytes of a file's name without suffix; file systems take 255
	cutName = 100 // bytes that are left of a longer one, before its hash
	cutMark = "%~"
)

// fileName returns the name of a match's file. It holds lower case letters, digits and
// a few signs only, so that it is a file name everywhere and two matches never meet
// where case does not count: an upper case letter is + and the lower case one, any
// other byte % and its hex digits, and a name that becomes too long ends in a hash.
func fileName(match string) string {
	esc := escape(match, math.MaxInt)
	if len(esc) > maxName {
		sum := sha256.Sum256([]byte(match))
		esc = escape(match, cutName) + cutMark + hex.EncodeToString(sum[:16])
	}
	return esc + suffix
}

// escape escapes a match's name, or so much of its beginning as fits into most bytes.
func escape(match string, most int) string {
	if match == "" {
		return "%"
	}
	var b strings.Builder
	for i := 0; i < len(match); i++ {
		var esc string
		switch c := match[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', (c == '-' || c == '.') && i > 0:
			esc = match[i : i+1]
		case c >= 'A' && c <= 'Z':
			esc = "+" + string(c+'a'-'A')
		default:
			esc = percent(c)
		}
		if b.Len()+len(esc) > most {
			break
		}
		b.WriteString(esc)
	}
	out := b.String()
	if device(out) {
		out = percent(out[0]) + out[1:]
	}
	return out
}

func percent(c byte) string { return "%" + hex.EncodeToString([]byte{c}) }

// device tells whether Windows takes a file of this name for one of its devices.
func device(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	if len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") {
		return stem[3] >= '0' && stem[3] <= '9'
	}
	return slices.Contains([]string{"con", "prn", "aux", "nul"}, stem)
}

// matchName returns the match whose file this is. If long is true the name is too long
// for that, and only the file itself knows it. ok is false if no match has such a file.
func matchName(file string) (match string, long, ok bool) {
	esc, ok := strings.CutSuffix(file, suffix)
	if !ok {
		return "", false, false
	}
	if strings.Contains(esc, cutMark) {
		return "", true, true
	}
	if esc == "%" {
		return "", false, true
	}
	var b strings.Builder
	for i := 0; i < len(esc); i++ {
		switch c := esc[i]; {
		case c == '+' && i+1 < len(esc):
			i++
			b.WriteByte(esc[i] - ('a' - 'A'))
		case c == '%' && i+2 < len(esc):
			x, err := hex.DecodeString(esc[i+1 : i+3])
			if err != nil {
				return "", false, false
			}
			b.Write(x)
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	match = b.String()
	return match, false, fileName(match) == file
}
