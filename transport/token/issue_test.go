package token

import (
	"strings"
	"testing"
	"time"
)

func TestIssueRefuses(t *testing.T) {
	keys := []Key{seeded(t, 1)}
	good := Grant{User: "ann", Servers: []string{"eu-1"}}
	many := func(n, size int) (names []string) {
		for range n {
			names = append(names, strings.Repeat("s", size))
		}
		return names
	}
	for _, tt := range []struct {
		name   string
		change func(*Grant)
		want   string // "" where it is right
	}{
		{"the least", func(*Grant) {}, ""},
		{"no user", func(g *Grant) { g.User = "" }, "the user has no name"},
		{"the longest user", func(g *Grant) { g.User = strings.Repeat("u", 128) }, ""},
		{"a longer one", func(g *Grant) { g.User = strings.Repeat("u", 129) }, "129 bytes, at most 128"},
		{"a user who is no text", func(g *Grant) { g.User = "ann\xff" }, "no UTF-8"},
		{"no servers", func(g *Grant) { g.Servers = nil }, "names no server"},
		{"a server without a name", func(g *Grant) { g.Servers = []string{"eu-1", ""} }, "the server has no name"},
		{"the longest server", func(g *Grant) { g.Servers = many(1, 64) }, ""},
		{"a longer one", func(g *Grant) { g.Servers = many(1, 65) }, "65 bytes, at most 64"},
		{"a server that is no text", func(g *Grant) { g.Servers = []string{"\x80"} }, "no UTF-8"},
		{"as many servers as fit", func(g *Grant) { g.Servers = many(198, 1) }, ""},
		{"one more", func(g *Grant) { g.Servers = many(199, 1) }, "need 401 bytes, and 399 fit"},
		{"more than can be counted", func(g *Grant) { g.Servers = many(70000, 1) }, "399 fit"},
		{"the longest data", func(g *Grant) { g.Data = make([]byte, 256) }, ""},
		{"longer data", func(g *Grant) { g.Data = make([]byte, 257) }, "257 bytes, at most 256"},
		{"full to the brim", func(g *Grant) { g.Data, g.User, g.Servers = make([]byte, 256), strings.Repeat("u", 128), many(1, 14) }, ""},
		{"one too many", func(g *Grant) { g.Data, g.User, g.Servers = make([]byte, 256), strings.Repeat("u", 128), many(1, 15) }, "need 400 bytes, and 399 fit"},
		{"the shortest life", func(g *Grant) { g.TTL = time.Millisecond }, ""},
		{"a shorter one", func(g *Grant) { g.TTL = time.Millisecond - 1 }, "at least 1ms"},
		{"a life in the past", func(g *Grant) { g.TTL = -time.Second }, "at least 1ms"},
		{"the longest life", func(g *Grant) { g.TTL = MaxTTL }, ""},
		{"a longer one", func(g *Grant) { g.TTL = MaxTTL + 1 }, "at most 5m0s"},
		{"an address", func(g *Grant) { g.Addr = "[::1]:7777" }, ""},
		{"a pin that is none", func(g *Grant) { g.Addr = "here:1#pin" }, "the pin"},
		{"the longest address", func(g *Grant) { g.Addr = strings.Repeat("a", 255) }, ""},
		{"a longer one", func(g *Grant) { g.Addr = strings.Repeat("a", 256) }, "256 bytes, at most 255"},
	} {
		g := good
		tt.change(&g)
		text, err := Issue(keys, g)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) || text != "" {
				t.Errorf("%s: %q, %v; want an error with %q", tt.name, text, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if tok, err := Parse(text); err != nil || len(tok.Sealed) != 512 || tok.Addr != g.Addr {
			t.Errorf("%s: the text gives %v, %v", tt.name, tok, err)
		}
	}
}

func TestKeysAreRequired(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []Key
		want string
	}{
		{"none", nil, "there is no key"},
		{"the zero Key", []Key{seeded(t, 1), {}}, "key 2 of 2 is the zero Key"},
		{"too many", make([]Key, maxKeys+1), "9 keys, at most 8"},
	} {
		_, err := Issue(tt.keys, Grant{User: "ann", Servers: []string{"eu-1"}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Issue says %v, want %q", tt.name, err, tt.want)
		}
		v, err := NewVerifier(Config{Keys: tt.keys, Server: "eu-1"})
		if v != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: NewVerifier says %v, want %q", tt.name, err, tt.want)
		}
	}
	for name, want := range map[string]string{
		"":                      "Config.Server: the server has no name",
		strings.Repeat("s", 65): "at most 64",
	} {
		v, err := NewVerifier(Config{Keys: []Key{seeded(t, 1)}, Server: name})
		if v != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("server %q: %v, %v; want an error with %q", name, v, err, want)
		}
	}
}
