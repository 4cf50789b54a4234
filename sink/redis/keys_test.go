package redis_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/sink/redis"
)

// tag returns what decides on the slot of a key, as Redis Cluster reads it.
func tag(key string) string {
	_, rest, ok := strings.Cut(key, "{")
	if !ok {
		return key
	}
	inside, _, ok := strings.Cut(rest, "}")
	if !ok || inside == "" {
		return key
	}
	return inside
}

// TestKeys holds the names that doc.go promises, and that those of a match have one tag.
func TestKeys(t *testing.T) {
	s := open(t, redis.Config{})
	if got, want := s.Keys("match 7"), (redis.Keys{Latest: "parley:{match 7}:latest", Snapshots: "parley:{match 7}:snapshots", Events: "parley:{match 7}:events"}); got != want {
		t.Errorf("%q", got)
	}
	odd := []string{"", "%", "{", "}", "{}", "}{", "{a}", "a}b{c", "%7d", "%7D", "a\nb\x00", "\x7f", " ", "\xff{", "größe", "}:latest", strings.Repeat("}", 300)}
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = "{}%7dDab:\n\x00\xff"[r.IntN(12)]
		}
		odd = append(odd, string(b))
	}
	seen := make(map[string]string) // key: match
	for _, match := range odd {
		k := s.Keys(match)
		for _, key := range []string{k.Latest, k.Snapshots, k.Events} {
			if tag(key) != redis.Escape(match) || tag(key) == "" {
				t.Errorf("the tag of %q is %q, and that of match %q is to be %q", key, tag(key), match, redis.Escape(match))
			}
			if other, ok := seen[key]; ok && other != match {
				t.Errorf("matches %q and %q share the key %q", match, other, key)
			}
			seen[key] = match
		}
	}
}
