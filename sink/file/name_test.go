package file

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestFileName(t *testing.T) {
	for match, file := range map[string]string{
		"arena-7":           "arena-7.jsonl",
		"match 7":           "match%207.jsonl",
		"Knights_2024.b":    "+knights_2024.b.jsonl",
		"":                  "%.jsonl",
		".":                 "%2e.jsonl",
		"..":                "%2e..jsonl",
		"../up":             "%2e.%2fup.jsonl",
		"-rf":               "%2drf.jsonl",
		"a/b\\c:d*?":        "a%2fb%5cc%3ad%2a%3f.jsonl",
		"%41+a":             "%2541%2ba.jsonl",
		"é":                 "%c3%a9.jsonl",
		"nul":               "%6eul.jsonl",
		"NUL":               "+n+u+l.jsonl",
		"com1.x":            "%63om1.x.jsonl",
		"com":               "com.jsonl",
		"aux-1":             "aux-1.jsonl",
		"tab\tzero\x00\xff": "tab%09zero%00%ff.jsonl",
		"m.jsonl":           "m.jsonl.jsonl",
	} {
		if got := fileName(match); got != file {
			t.Errorf("the file of %q is %s, want %s", match, got, file)
		}
		if got, long, ok := matchName(file); got != match || long || !ok {
			t.Errorf("the match of %s is %q, %v, %v, want %q", file, got, long, ok, match)
		}
	}
	// Nobody's files, among them a second name for a match.
	for _, file := range []string{"", "m", "m.json", ".lock", ".jsonl", "M.jsonl", "a b.jsonl", "%4.jsonl", "%zz.jsonl", "%41.jsonl", "%C3%A9.jsonl", "+.jsonl", "++.jsonl", "+1.jsonl", "a%61.jsonl", "nul.jsonl", "-a.jsonl", "%%.jsonl"} {
		if got, long, ok := matchName(file); ok || long {
			t.Errorf("the match of %s is %q, want none", file, got)
		}
	}
	long := strings.Repeat("Long", 75)
	if a, b := fileName(long), fileName(long+"er"); a == b || len(a) > maxName || !strings.HasPrefix(a, "+long+long") || !strings.Contains(a, cutMark) {
		t.Errorf("%s, %s", a, b)
	} else if _, long, ok := matchName(a); !long || !ok {
		t.Errorf("%s is not long", a)
	}
}

// TestFileNames makes names from a seed: each comes back, and no two share a file where
// case does not count.
func TestFileNames(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	seen := make(map[string]string)
	for range 20_000 {
		b := make([]byte, r.IntN(8)*r.IntN(40))
		for i := range b {
			const letters = "abAB.-_+% /~\x00\xc3\xa9nulNULcom1"
			b[i] = letters[r.IntN(len(letters))]
		}
		match := string(b)
		file := fileName(match)
		if len(file) > maxName+len(suffix) || file[0] == '.' || file[0] == '-' || strings.ContainsAny(file, "/\\:*?\"<>| \x00") || file != strings.ToLower(file) || device(file) {
			t.Fatalf("seed %d: %q has the file %q", seed, match, file)
		}
		if other, ok := seen[file]; ok && other != match {
			t.Fatalf("seed %d: %q and %q share the file %s", seed, match, other, file)
		}
		seen[file] = match
		if back, long, ok := matchName(file); !ok || !long && back != match || long != (strings.Contains(file, cutMark)) {
			t.Fatalf("seed %d: %q has the file %s, which is that of %q", seed, match, file, back)
		}
	}
}
